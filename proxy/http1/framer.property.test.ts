import { METHODS } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SMUGGLING_REQUESTS, SOUND_REQUESTS } from "./corpus-fixture.ts";
import { frameRequests, frameResponse } from "./frame-fixture.ts";
import { LENIENT_REQUESTS } from "./lenient-corpus-fixture.ts";
import { parseWithNode } from "./node-parser-fixture.ts";

const GET = { method: "GET", hasUpgrade: false };
const RUNS = { numRuns: 3000 };

const NASTY = [
  ...'\r|\n|\r\n|\0|\t| |:|,|;|+|-|_|#|?|0|5|a|"|\x80|\xff|\r\n\r\n|0\r\n\r\n'.split("|"),
  ..."chunked|Content-Length: 5\r\n|Transfer-Encoding: chunked\r\n|Host: b\r\n|HTTP/1.0|;a=b".split("|"),
  ..."Connection: close\r\n|Expect: 100-continue\r\n|GET / HTTP/1.1\r\nHost: a\r\n\r\n|HTTP/1.1 200 OK\r\n\r\n".split(
    "|",
  ),
];

const field = fc.constantFrom(
  ..."X-A: b|Accept: */*|Connection: keep-alive|Connection: close|X-E:|X-F:  \t v \t|Keep-Alive: timeout=5".split("|"),
  ..."TE: trailers|Trailer: X-T|Cookie: a=b; c|X-Hi: \xe9\xff|Connection: Cookie|Proxy-Connection: x|Upgrade: websocket".split(
    "|",
  ),
);

/** A body and the fields that frame it. */
const body = fc.oneof(
  fc.constant({ fields: [] as string[], content: "" }),
  fc.nat(30).map((length) => ({
    fields: [`Content-Length: ${length}${length % 3 === 0 ? " \t" : ""}`],
    content: "b".repeat(length),
  })),
  fc
    .record({
      chunks: fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.constantFrom("", ";a", ";a=b;c", ' ; a = "b;c"')), {
        maxLength: 3,
      }),
      trailer: fc.constantFrom("", "X-T: v\r\n", "A: b\r\nC:\r\n"),
    })
    .map(({ chunks, trailer }) => ({
      fields: ["Transfer-Encoding: chunked"],
      content: `${chunks.map(([n, ext]) => `${n.toString(16)}${ext}\r\n${"c".repeat(n)}\r\n`).join("")}0\r\n${trailer}\r\n`,
    })),
);

const request = fc
  .tuple(
    fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "M-SEARCH", "FOO"),
    fc.constantFrom("/", "/a?b=c", "*", "http://a/x", "/a|b", "https://a/", "http://a?x", "http://b:1/"),
    fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
    fc.array(field, { maxLength: 4 }),
    body,
  )
  .map(([method, target, version, fields, { fields: framing, content }]) => {
    const lines = ["Host: a", ...fields, ...framing];
    return `${method} ${target} HTTP/${version}\r\n${lines.join("\r\n")}\r\n\r\n${content}`;
  });

const response = fc
  .tuple(
    fc.constantFrom("1.1", "1.1", "1.0"),
    fc.constantFrom("200 OK", "204 No Content", "304 Not Modified", "404", "500 X", "101 S", "103 Early"),
    fc.array(field, { maxLength: 4 }),
    body,
  )
  .map(([version, status, fields, { fields: framing, content }]) => {
    const lines = [...fields, ...framing].map((line) => `${line}\r\n`).join("");
    return `HTTP/${version} ${status}\r\n${lines}\r\n${content}`;
  });

/** The text with a few hostile bytes inserted or substituted. */
function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom(...NASTY));
  return fc.tuple(text, fc.array(edit, { maxLength: 2 })).map(([start, edits]) => {
    let result = start;
    for (const [place, length, nasty] of edits) {
      const at = place % (result.length + 1);
      result = result.slice(0, at) + nasty + result.slice(at + length);
    }
    return Buffer.from(result, "latin1");
  });
}

const requests = fc.oneof(
  mutated(request),
  mutated(fc.tuple(request, request).map(([first, second]) => first + second)),
);

describe("what the request framer forwards", () => {
  it("is accepted by Node's parser with the same boundaries, for methods that it knows", () => {
    fc.assert(
      fc.property(requests, (bytes) => {
        const framed = frameRequests([bytes]);
        const byNode = parseWithNode(Buffer.from(framed.forwarded, "latin1"), "request");
        for (const [index, content] of framed.contents.entries()) {
          const head = framed.heads[index];
          // Node's parser stops at an unknown method.
          if (head?.upgrade !== undefined || !METHODS.includes(head?.fields.text.split(" ", 1)[0] ?? "")) return;
          const fields = head?.fields.count ?? 0;
          const url = head?.fields.text.split(" ", 2)[1];
          expect(byNode[index]).toMatchObject({ url, fields, content, isWhole: true });
        }
      }),
      RUNS,
    );
  });
});

const OLD_INTERIM = "HTTP/1.0 103 Early\r\n\r\n";

describe("what the response framer forwards", () => {
  it("is accepted by Node's parser with the same boundaries", () => {
    fc.assert(
      fc.property(mutated(response), (bytes) => {
        const framed = frameResponse([bytes], GET, true);
        const byNode = parseWithNode(Buffer.from(framed.forwarded, "latin1"), "response", { ends: true });
        for (const [index, content] of framed.contents.entries()) {
          const head = framed.heads[index];
          expect(byNode[index]).toMatchObject({ fields: head?.fields.count ?? 0, content, isWhole: true });
          // Node's parser reads nothing behind an interim response of HTTP/1.0, which defines none (RFC 9110 §15.2).
          if (head?.keepAlive === false) return;
        }
      }),
      { ...RUNS, examples: [[Buffer.from(`${OLD_INTERIM}HTTP/1.1 200 OK\r\n\r\ncontent`)]] },
    );
  });
});

describe("the same bytes", () => {
  it.each([...SMUGGLING_REQUESTS, ...SOUND_REQUESTS, ...LENIENT_REQUESTS])(
    "give the same events however they are split: $name",
    ({ bytes }) => {
      const whole = Buffer.from(bytes, "latin1");
      const { trace } = frameRequests([whole]);
      for (let cut = 1; cut < whole.length; cut += 1) {
        expect(frameRequests([whole.subarray(0, cut), whole.subarray(cut)]).trace).toEqual(trace);
      }
      expect(frameRequests([...whole].map((byte) => Buffer.from([byte]))).trace).toEqual(trace);
    },
  );

  it("give the same events however they are split: mutated requests and responses", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 5 });
    fc.assert(
      fc.property(requests, mutated(response), cuts, (asked, answered, places) => {
        expect(frameRequests(cutAt(asked, places)).trace).toEqual(frameRequests([asked]).trace);
        const whole = frameResponse([answered], GET, true);
        expect(frameResponse(cutAt(answered, places), GET, true).trace).toEqual(whole.trace);
      }),
      RUNS,
    );
  });
});

describe("arbitrary bytes", () => {
  it("never make a framer throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 3 }), (bytes, places) => {
        const chunks = cutAt(Buffer.from(bytes), places);
        frameRequests(chunks);
        frameResponse(chunks, GET, true);
      }),
      RUNS,
    );
  });
});

function cutAt(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((one, other) => one - other);
  const ends = [...cuts, bytes.length];
  return ends
    .map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
    .filter(({ length }) => length > 0);
}
