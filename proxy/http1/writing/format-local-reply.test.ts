import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LocalReply } from "../../messages/local-reply.ts";
import { frameResponse } from "../frame-fixture.ts";
import { formatLocalReply } from "./format-local-reply.ts";

const UNAVAILABLE: LocalReply = { status: 503, flags: "UH", details: "no healthy endpoint: world has none" };
const KEPT = { close: false, isHead: false };

describe("a local reply", () => {
  it("has its reason as body, and the body's length", () => {
    expect(formatLocalReply(UNAVAILABLE, KEPT)).toBe(
      "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 36\r\ncontent-type: text/plain\r\n\r\n" +
        "no healthy endpoint: world has none\n",
    );
  });

  it("has Connection: close if its connection closes", () => {
    expect(formatLocalReply(UNAVAILABLE, { ...KEPT, close: true })).toMatch(/\r\nconnection: close\r\n\r\nno healthy/);
  });

  it("to HEAD is only the head, with the length that GET would have (RFC 9110 §9.3.2)", () => {
    const whole = formatLocalReply(UNAVAILABLE, KEPT);
    const head = formatLocalReply(UNAVAILABLE, { ...KEPT, isHead: true });
    expect(head).toBe(whole.slice(0, whole.indexOf("\r\n\r\n") + 4));
  });

  it("without details has no body and no type", () => {
    const redirect = { status: 302, flags: "-", details: "", fields: [{ name: "location", value: "/there" }] } as const;
    expect(formatLocalReply(redirect, KEPT)).toBe(
      "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /there\r\n\r\n",
    );
  });

  it("with a status that has no reason phrase here is still valid HTTP", () => {
    expect(formatLocalReply({ ...UNAVAILABLE, status: 418 }, KEPT)).toMatch(/^HTTP\/1\.1 418 \S+\r\n/);
  });

  it.each([
    { status: 204, head: "HTTP/1.1 204 No Content\r\n\r\n" },
    { status: 205, head: "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n" },
    { status: 304, head: "HTTP/1.1 304 Not Modified\r\n\r\n" },
  ])("with status $status has no content (RFC 9110 §8.6)", ({ status, head }) => {
    expect(formatLocalReply({ ...UNAVAILABLE, status }, KEPT)).toBe(head);
  });

  it("is one complete response, whatever its reason contains", () => {
    const details = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("a\r\nb", "\r\n\r\nHTTP/1.1 200 OK", "é", "🔥"),
    );
    fc.assert(
      fc.property(details, fc.constantFrom(204, 205, 304, 400, 418, 503, 504), fc.boolean(), (text, status, close) => {
        const answer = formatLocalReply({ status, flags: "-", details: text }, { close, isHead: false });
        const framed = frameResponse([Buffer.from(answer, "latin1")], { method: "GET", hasUpgrade: false }, false);
        expect([framed.fault, framed.ends, framed.heads.length]).toEqual([undefined, 1, 1]);
        expect(answer).toMatch(/^[\x20-\x7e\r\n]*$/);
        expect(answer.slice(answer.indexOf("\r\n\r\n") + 4)).toMatch(/^(?:[\x20-\x7e]+\n)?$/);
      }),
    );
  });
});
