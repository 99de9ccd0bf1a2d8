import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Content, RequestHead, ResponseHead } from "../../messages/message-head.ts";
import { UnsoundHead } from "../../messages/unsound-head.ts";
import { frameRequests, frameResponse } from "../frame-fixture.ts";
import { formatRequestHead } from "./format-request-head.ts";
import { formatResponseHead } from "./format-response-head.ts";

const EDITS: RequestEdits = { hop: "outbound", forwardedClientCert: undefined, createRequestId: () => "id" };
const RUNS = { numRuns: 3000 };

/** Parts that are sound, and parts with which a request could become two. */
const NASTY = ["\r\n", "\n", "\r", "\0", " ", ":", "#", "\r\nTransfer-Encoding: chunked\r\n\r\n", "Ċ", "č", "\t", ""];

function hostile(sound: readonly string[]): fc.Arbitrary<string> {
  const mixed = fc
    .tuple(fc.constantFrom(...sound), fc.constantFrom(...NASTY), fc.nat())
    .map(
      ([text, nasty, place]) =>
        text.slice(0, place % (text.length + 1)) + nasty + text.slice(place % (text.length + 1)),
    );
  return fc.oneof(fc.constantFrom(...sound), mixed);
}

const content: fc.Arbitrary<Content> = fc.constantFrom<Content>(
  { kind: "none" },
  { kind: "length", length: 7 },
  { kind: "unknown", endsBy: "frames" },
);

const field = fc.tuple(
  hostile(["x-a", "accept", "cookie", "content-length", "transfer-encoding", "connection", "host", "te", "upgrade"]),
  hostile(["", "1", "0", "chunked", "trailers", "close", "x-a", "a=b"]),
);
const fields = fc.array(field, { maxLength: 5 }).map((pairs) => listOf(pairs.flat()));

/** The result, or undefined if the head is refused. */
function tryFormat(format: () => string): string | undefined {
  try {
    return format();
  } catch (caught) {
    expect(caught).toBeInstanceOf(UnsoundHead);
    return undefined;
  }
}

describe("a head that came in another version", () => {
  it("becomes exactly one request with its parts, or none", () => {
    const request = fc.record({
      method: hostile(["GET", "POST", "FOO"]),
      path: hostile(["/", "/a?b"]),
      authority: hostile(["a.example", "a:80", "[::1]"]),
      fields,
      content,
    });
    let written = 0;
    fc.assert(
      fc.property(request, (parts) => {
        const head: RequestHead = {
          ...{ version: "2", scheme: "http", upgrade: undefined, expectsContinue: false, bytes: 0 },
          ...parts,
        };
        const text = tryFormat(() => formatRequestHead(head, EDITS));
        if (text === undefined) return;
        written += 1;
        const framed = frameRequests([Buffer.from(text, "latin1")]);
        expect(framed).toMatchObject({ fault: undefined, forwarded: text });
        expect(framed.heads).toMatchObject([
          {
            method: parts.method,
            path: parts.path,
            authority: parts.authority,
            content: parts.content.kind === "unknown" ? { kind: "unknown", endsBy: "chunks" } : parts.content,
          },
        ]);
      }),
      RUNS,
    );
    expect(written).toBeGreaterThan(RUNS.numRuns / 20);
  });

  it("becomes exactly one response with its parts, or none", () => {
    const response = fc.record({
      status: fc.constantFrom(200, 204, 205, 304, 404, 503, 101, 42, 1000),
      fields,
      content,
    });
    let written = 0;
    fc.assert(
      fc.property(response, fc.boolean(), (parts, isHead) => {
        const head: ResponseHead = { version: "2", upgrade: undefined, report: undefined, ...parts };
        const method = isHead ? "HEAD" : "GET";
        const text = tryFormat(() => formatResponseHead(head, { close: false, coding: "chunks", isHead }));
        if (text === undefined) return;
        written += 1;
        const framed = frameResponse([Buffer.from(text, "latin1")], { method, hasUpgrade: false }, false);
        expect(framed).toMatchObject({ fault: undefined, forwarded: text });
        expect(framed.heads).toHaveLength(1);
        const hasContent = parts.content.kind !== "none" && !isHead && ![204, 304].includes(parts.status);
        expect(framed.ends).toBe(hasContent ? 0 : 1);
      }),
      RUNS,
    );
    expect(written).toBeGreaterThan(RUNS.numRuns / 20);
  });
});
