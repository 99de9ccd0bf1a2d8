import { describe, expect, it } from "vitest";
import { HttpRecognizer, type Recognized, recognizeHttp } from "./recognize-http.ts";

interface Case {
  readonly bytes: string;
  readonly is: Recognized;
}

function cases(is: Recognized, ...texts: readonly string[]): readonly Case[] {
  return texts.map((bytes) => ({ bytes, is }));
}

const CASES: readonly Case[] = [
  ...cases(
    "http",
    "GET / HTTP/1.1\r\n",
    "\r\nGET / HTTP/1.1\r\n",
    "LIST /v1 HTTP/1.1\r\n",
    "GET /a b HTTP/1.1\r\n",
    "GET\t/a\tHTTP/1.1\n",
    "get  /x  HTTP/1.1\n",
    " GET / HTTP/1.1\r\n",
    "GET /a\r\n",
    "GET /a foo\r\n",
    "POST http://a/\n",
    "PRI * HTTP/1.1\r\n",
    "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n",
    `GET /${"a".repeat(17_000)}`,
  ),
  ...cases(
    "ambiguous",
    "GET\x1f/a\x1fHTTP/1.1",
    ..."\x0b|\x0c|\x1c|\x1d|\x1e|\x1f|\x85|\xa0|\0|\x01|\xe2\x80\x83|\xc2\xa0".split("|").map((blank) => `GET${blank}`),
    "G\0ET /a HTTP/1.1\n",
    ..."\x0b|\x0c|\x1c|\x1d|\x1e|\x1f|\x85|\xa0|\0|\xe2\x80\x83|\xe3\x80\x80"
      .split("|")
      .flatMap((blank) => [`FOO${blank}/a${blank}HTTP/1.1\r\n`, `${blank}FOO${blank}/a${blank}HTTP/1.1${blank}\n`]),
    "FOO /a HTTP/1.1\rX: y",
    "FOO /a HTTP/1.1\x85X: y",
    "FOO /a HTTP/1.1 \xe2\x80\xa8X: y",
    'f"o x HTTP/1.1\r\n',
    "OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\nX-Forwarded-Client-Cert: URI=forged\r\n",
    "GET foo\nx_forwarded_client_cert: forged\n",
    "EHLO a\r\n \tX-Forwarded-Client-Cert",
    "GET http://a/ HTTP/1.1 x\r X-Forwarded-Client-Cert: URI=forged\r\n",
    "X-Forwarded-Client-Cert\x01",
  ),
  ...cases(
    "undecided",
    "",
    "\r\n",
    "GE",
    "GET",
    "GET /a HTTP/1.",
    "GET /a HTTP/1.1\r",
    "LIST /v1",
    "hello",
    "PRI * HTTP/2.0\r\n\r\n",
  ),
  ...cases(
    "watched",
    "OPTIONS rtsp://example.com/media RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "DESCRIBE rtsp://example.com/media RTSP/1.0\r\n",
    "GET /info RTSP/1.0\r\n",
    "SOURCE /mount ICE/1.0\r\n",
    "INVITE sip:bob@example.com SIP/2.0\r\n",
    "OPTIONS sip:bob@example.com SIP/2.0\r\n",
    "REQMOD icap://a/b ICAP/1.0\r\n",
    "EHLO mail.example.com\r\n",
    "USER bob\r\n",
    "a1 SEARCH ALL\r\n",
    "PING\r\n",
    "SET key value\r\n",
    "GET key\r\n",
    "COPY a b\r\n",
    "get key\r\n",
    "set key 0 0 5\r\nhello\r\n",
    "*1\r\n$4\r\nPING\r\n",
    '10.0.0.1 - - [d] "GET /a HTTP/1.1" 200 1\n',
    "STATUS\0",
    "AMQP\0\0\x09\x01",
    "0\x0c\x02\x01\x01\x60\x07",
    `word ${"x".repeat(40_000)}`,
    "e".repeat(100_000),
  ),
  ...cases("http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n"),
  ...cases(
    "stream",
    '{"line":"GET / HTTP/1.1"}\n',
    '"GET / HTTP/1.1"\n',
    "<34>Oct 11 su: GET /a HTTP/1.1\n",
    "{\nX-Forwarded-Client-Cert: quoted",
    "{X /a HTTP/1.1 b\n",
    `{${"a".repeat(1 << 20)}`,
    "\x16\x03\x01\x02\0\x01\n",
    "A\0\0\0\x01\0\0\0\n",
  ),
  // Forwarded at once; the end of the line decides.
  ...cases(
    "watched",
    ...'{["<(/=@\x02\x16\x7f\xff\xc3'.split(""),
    "{X /a HTTP/1.1",
    "\0\0\0\x08\x04\xd2\x16\x2f",
    "\0\0\0\x2a\0\x12\0\x03",
    "A\0\0\0\x01\0\0\0",
    "\x1f\x8b\x08",
  ),
  // `wsgiref` and Rack on WEBrick accept any bytes as a method.
  ...cases(
    "ambiguous",
    ...'{["<(/=@\x02\x16\x7f\xff\xc3'.split("").map((byte) => `${byte}GET /a HTTP/1.1\r\n`),
    ..."{| |\xa0|\xef\xbb\xbf|\0".split("|").map((before) => `${before} { HTTP/1.1\n`.replace(/^ /, "/ ")),
    "FO\x06O /a HTTP/1.1\r\n",
    "F\0O\x06 /a HTTP/1.0\n",
    ..."\x85|\xa0|\0 |\x0b|\x1c".split("|").map((blank) => `\xef\xbb\xbf${blank}F\x01O HTTP/1.1\n`),
    "\x16\x03\x01GET /a HTTP/1.1\r\n",
    "{X\x1f/a\xa0HTTP/1.1 \xe2\x80\xa8",
    "{X\t/a\x0bHTTP/+1.1_0\rX",
    "{X /a HTTP/1.1\x85",
    "{GET \0 HTTP/1.1\n",
    `{${"a".repeat(60_000)} /a HTTP/1.1\r\n`,
  ),
];

describe("the verdict on a client's bytes", () => {
  it.each(CASES)("$bytes is $is", ({ bytes, is }) => {
    expect(recognizeHttp(Buffer.from(bytes, "latin1"))).toBe(is);
  });

  it.each(CASES)("$bytes is $is byte by byte as well", ({ bytes, is }) => {
    const recognizer = new HttpRecognizer();
    let verdict = recognizer.push(Buffer.alloc(0));
    for (const byte of Buffer.from(bytes, "latin1")) verdict = recognizer.push(Buffer.from([byte]));
    expect(verdict).toBe(is);
  });
});
