/**
 * Legal forms of requests and responses that some parsers misread: each must be accepted, and is forwarded in its
 * canonical form.
 */
import { CHUNKED, type CorpusRequest, get, post } from "./corpus-fixture.ts";

/** A legal but unusual form that some parsers misread. */
export interface LenientRequest extends CorpusRequest {
  /** What the framer forwards: the form that all parsers read alike. */
  readonly plain: string;
}

function lenient(name: string, bytes: string, plain: string, requests = 1): LenientRequest {
  return { name, bytes, plain, requests };
}

/** A GET of `/x` with this Host. */
function getFrom(host: string): string {
  return `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

/** What must be accepted (RFC 9112, RFC 9110, RFC 3986), and is forwarded in its canonical form. */
export const LENIENT_REQUESTS: readonly LenientRequest[] = [
  lenient(
    "a blank after CL",
    post("Content-Length: 3 \r\n", `abc${get("")}`),
    post("Content-Length: 3\r\n", `abc${get("")}`),
    2,
  ),
  lenient("tabs around CL", post("Content-Length:\t3\t\r\n", "abc"), post("Content-Length: 3\r\n", "abc")),
  lenient("many blanks before CL", post("Content-Length:   3\r\n", "abc"), post("Content-Length: 3\r\n", "abc")),
  lenient("a tab after chunked", post("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n"), post(CHUNKED, "0\r\n\r\n")),
  lenient("a blank after chunked", post("Transfer-Encoding: chunked \r\n", "0\r\n\r\n"), post(CHUNKED, "0\r\n\r\n")),
  lenient(
    "a chunk extension in quotes",
    post(CHUNKED, '1;x="y"\r\na\r\n0\r\n\r\n'),
    post(CHUNKED, "1\r\na\r\n0\r\n\r\n"),
  ),
  lenient(
    "a quoted chunk extension that contains chunk delimiters",
    post(CHUNKED, '1;x="\\";0 a=b"\r\na\r\n0\r\n\r\n'),
    post(CHUNKED, "1\r\na\r\n0\r\n\r\n"),
  ),
  lenient(
    "padded chunk extensions",
    post(CHUNKED, '1 ; x\t= y ;z ; w = "v"\r\na\r\n0;last\r\n\r\n'),
    post(CHUNKED, "1\r\na\r\n0\r\n\r\n"),
  ),
  lenient("two empty lines before the request", `\r\n\r\n${get("")}`, get("")),
  lenient("empty lines between requests", `${get("")}\r\n\r\n\r\n${get("")}`, get("") + get(""), 2),
  lenient("a target whose authority differs from Host", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", getFrom("b")),
  lenient("a target whose port differs from Host", "GET http://a:81/x HTTP/1.1\r\nHost: a:82\r\n\r\n", getFrom("a:81")),
  lenient(
    "an absolute target with an empty Host",
    "GET http://a?y HTTP/1.1\r\nHost:\r\n\r\n",
    "GET /?y HTTP/1.1\r\nHost: a\r\n\r\n",
  ),
  lenient("a target without Host in HTTP/1.0", "GET http://a/x HTTP/1.0\r\n\r\n", "GET /x HTTP/1.0\r\nhost: a\r\n\r\n"),
  lenient("an empty Host", getFrom(""), getFrom("")),
  lenient("a Host with an empty port", getFrom("a:"), getFrom("a")),
  lenient("an IPv6 Host with an empty port", getFrom("[::1]:"), getFrom("[::1]")),
  lenient("a Host with an escaped letter", getFrom("%61-%2db.example"), getFrom("a--b.example")),
  lenient("a Host with escaped letters beyond ASCII", getFrom("%c3%a9.example"), getFrom("%C3%A9.example")),
  lenient(
    "Connection names Authorization",
    get("Connection: close, Authorization\r\nAuthorization: x\r\n"),
    get("Connection: close, Authorization\r\nAuthorization: x\r\n"),
  ),
];

export interface LenientResponse {
  readonly name: string;
  readonly bytes: string;
  readonly plain: string;
  /** What a client receives. */
  readonly status: number;
  readonly content: string;
}

function answer(name: string, bytes: string, plain: string): LenientResponse {
  return {
    name,
    bytes: `HTTP/1.1 ${bytes}`,
    plain: `HTTP/1.1 ${plain}`,
    status: Number(bytes.slice(0, 3)),
    content: "hello",
  };
}

const LONG = `X-Long: ${"a".repeat(70_000)}\r\n`;

/** The same for responses. Each has the content `hello`. */
export const LENIENT_RESPONSES: readonly LenientResponse[] = [
  answer("a blank after CL", "200 OK\r\nContent-Length: 5 \r\n\r\nhello", "200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  answer("a tab before CL", "200 OK\r\nContent-Length:\t5\r\n\r\nhello", "200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  answer(
    "a tab after chunked",
    "200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ),
  answer(
    "a chunk extension in quotes",
    '200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n0\r\n\r\n',
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ),
  answer(
    "padded chunk extensions",
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 ; a = b ;c\r\nhello\r\n0 ;d\r\n\r\n",
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ),
  ...[600, 799, 999].map((status) =>
    answer(
      `the status ${status}`,
      `${status} X\r\nContent-Length: 5\r\n\r\nhello`,
      `${status} X\r\nContent-Length: 5\r\n\r\nhello`,
    ),
  ),
  answer(
    "a head of 70 KB",
    `200 OK\r\n${LONG}Content-Length: 5\r\n\r\nhello`,
    `200 OK\r\n${LONG}Content-Length: 5\r\n\r\nhello`,
  ),
];
