import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LENIENT_SERVERS } from "./lenient-servers-fixture.ts";
import { HttpRecognizer, recognizeHttp, recognizeOnHttpPort } from "./recognize-http.ts";

const RUNS = { numRuns: 5000 };

const blank = fc.oneof(
  { weight: 3, arbitrary: fc.constant(" ") },
  fc.constantFrom(
    ..."\t|\r|\x0b|\x0c|\x1c|\x1d|\x1e|\x1f|\x85|\xa0|\0|  | \t|\xc2\xa0|\xe2\x80\x83|\xe3\x80\x80".split("|"),
  ),
);
const method = fc.constantFrom(
  ..."GET|GET|POST|OPTIONS|SOURCE|DESCRIBE|LIST|get|EHLO|G\0ET|F\0OO|{|{GET|\x01GET|F\x06|\xe9|\x16\x03|PRI|0|A".split(
    "|",
  ),
);
const target = fc.constantFrom(..."/|/a|*|http://a/|rtsp://a/b|foo|\xe9|/\x01".split("|"));
const version = fc.constantFrom(
  ..."HTTP/1.1|HTTP/1.0|HTTP/2.0|http/1.1|RTSP/1.0|ICE/1.0|SIP/2.0|HTTP/1.1 x||".split("|"),
);
const lineEnd = fc.oneof(
  { weight: 4, arbitrary: fc.constant("\r\n") },
  { weight: 2, arbitrary: fc.constant("\n") },
  fc.constantFrom(..."\r|\x0b|\x0c|\x1c|\x85|\xe2\x80\xa8| \r\n|\0\n|\xa0\n|\x1f\r\n".split("|")),
);
const name = fc.constantFrom(
  ..."X-Forwarded-Client-Cert|x-forwarded-client-cert|x_forwarded_client_cert|x-forw\0arded-client-cert".split("|"),
);
const field = fc.oneof(
  fc.tuple(fc.constantFrom("", " ", "\t"), name).map(([before, text]) => `${before}${text}: URI=forged`),
  fc.constantFrom("Host: a", "CSeq: 1", "x".repeat(90)),
);

/** An attacker's input: `odd` for lenient servers, `even` for strict ones. */
const odd = fc
  .tuple(
    fc.constantFrom("", "", "\r\n", " ", "\0", "\xa0", "\xef\xbb\xbf"),
    fc.tuple(method, blank, target, blank, version, lineEnd),
    fc.array(fc.tuple(field, lineEnd), { minLength: 1, maxLength: 3 }),
  )
  .map(([before, line, fields]) => `${before}${line.join("")}${fields.flat().join("")}\r\n`);
const even = fc
  .tuple(method, target, version, name)
  .map(([verb, path, protocol, header]) => `${verb} ${path} ${protocol}\r\nHost: a\r\n${header}: URI=forged\r\n\r\n`);

const edit = fc.tuple(fc.nat(), fc.nat(1), fc.constantFrom("", "\0", " ", "\n", "\r", "\x85", "{", "\x01", "HTTP/1.1"));

/** The same with a byte or two inserted or removed. */
const bytes = fc.tuple(fc.oneof(odd, even), fc.array(edit, { maxLength: 2 })).map(([text, edits]) => {
  let result = text;
  for (const [place, length, put] of edits) {
    const at = place % (result.length + 1);
    result = result.slice(0, at) + put + result.slice(at + length);
  }
  return Buffer.from(result, "latin1");
});

const cuts = fc.array(fc.nat(), { maxLength: 4 });

/** What an application receives of these chunks as a stream if every deadline passes before a verdict. */
function deliveredAsStream(chunks: readonly Buffer[]): Buffer {
  const recognizer = new HttpRecognizer();
  const delivered: Buffer[] = [];
  for (const chunk of chunks) {
    const verdict = recognizer.push(chunk);
    if (verdict === "http" || verdict === "ambiguous" || recognizer.wouldBeRequest) break;
    delivered.push(chunk);
  }
  return Buffer.concat(delivered);
}

describe("what is forwarded as a stream", () => {
  it.each(LENIENT_SERVERS)("is not an HTTP request to $name, and contains no forged identity", ({ read }) => {
    fc.assert(
      fc.property(bytes, cuts, (whole, places) => {
        const request = read(deliveredAsStream(cutAt(whole, places)));
        if (request === undefined) return;
        expect({ hasVersion: request.hasVersion, isForged: request.isForged }).toEqual({
          hasVersion: false,
          isForged: false,
        });
      }),
      RUNS,
    );
  });

  it.each(LENIENT_SERVERS)("would contain forged requests to $name if nothing were judged", ({ read }) => {
    const forged = fc.sample(bytes, { numRuns: 5000, seed: 1 }).filter((whole) => read(whole)?.isForged === true);
    expect(forged.length).toBeGreaterThan(20);
  });
});

describe("a verdict", () => {
  it("does not depend on how the bytes are split", () => {
    fc.assert(
      fc.property(bytes, cuts, (whole, places) => {
        const recognizer = new HttpRecognizer();
        const verdicts = cutAt(whole, places).map((chunk) => recognizer.push(chunk));
        expect(verdicts.at(-1)).toBe(recognizeHttp(whole));
      }),
      RUNS,
    );
  });

  it("is never changed once it is final", () => {
    fc.assert(
      fc.property(bytes, bytes, (some, more) => {
        const first = recognizeHttp(some);
        if (first === "undecided" || first === "watched") return;
        expect(recognizeHttp(Buffer.concat([some, more]))).toBe(first);
      }),
      RUNS,
    );
  });

  it("is never HTTP/1.1 for bytes that an HTTP port would read as another protocol", () => {
    fc.assert(
      fc.property(bytes, (whole) => {
        if (recognizeHttp(whole) === "http") expect(recognizeOnHttpPort(whole)).toBe("http1");
      }),
      RUNS,
    );
  });

  it("forwards at once bytes that cannot begin a method", () => {
    const impossible = fc.constantFrom(...'"(),/:;<=>?@[\\]{}\x01\x08\x0e\x16\x7f\xc3\xff');
    fc.assert(
      fc.property(impossible, fc.string(), (first, rest) => {
        expect(recognizeHttp(Buffer.from(first, "latin1"))).toBe("watched");
        expect(["watched", "stream"]).toContain(recognizeHttp(Buffer.from(`${first}${rest}`, "latin1")));
        expect(recognizeHttp(Buffer.from(`${first}\n${rest}`, "latin1"))).toBe("stream");
      }),
    );
  });
});

function cutAt(whole: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = [...new Set(places.map((place) => place % whole.length)), whole.length].sort(
    (one, other) => one - other,
  );
  return ends.map((end, index) => whole.subarray(index === 0 ? 0 : ends[index - 1], end));
}
