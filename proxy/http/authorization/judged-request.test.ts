import { describe, expect, it } from "vitest";
import { HTTP1_LIMITS } from "../../http1/http1-limits.ts";
import { scanRequestHead } from "../../http1/scanning/scan-request-head.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { requestOf } from "../exchange/exchange-fixture.ts";
import { type JudgedAs, JudgedRequest } from "./judged-request.ts";

/** A request of HTTP/1.1 with these lines. */
function http1Head(lines: readonly string[]): RequestHead {
  const head = ["GET / HTTP/1.1\r\nHost: a.example\r\n", ...lines.map((line) => `${line}\r\n`), "\r\n"];
  const bytes = Buffer.from(head.join(""), "latin1");
  return scanRequestHead(bytes, 0, bytes.length, HTTP1_LIMITS);
}

/** The same, of HTTP/2. */
function http2Head(lines: readonly string[]): RequestHead {
  const fields = lines.flatMap((line) => {
    const [name = "", value = ""] = line.split(": ");
    return [name.toLowerCase(), value];
  });
  return requestOf({ method: "GET", authority: "a.example", fields: listOf(fields) });
}

const VERSIONS = [
  { version: "HTTP/1.1", headOf: (lines: readonly string[]) => http1Head(lines) },
  { version: "HTTP/2", headOf: http2Head },
];

function judged(head: RequestHead, as: Partial<JudgedAs> = {}): JudgedRequest {
  return new JudgedRequest(head, { hop: "inbound_verified", written: () => undefined, token: undefined, ...as });
}

describe.each(VERSIONS)("a field of $version", ({ headOf }) => {
  it("is each of its lines alone, whatever the case of its name", () => {
    const request = judged(headOf(["X-Role: user", "x-other: 1", "x-role: admin,guest"]));
    expect(request.headerLines("x-role")).toEqual(["user", "admin,guest"]);
    expect(request.headerLines("x-none")).toEqual([]);
  });

  it("that this proxy replaces has the proxy's value, never the client's", () => {
    const head = headOf(["x-forwarded-client-cert: By=spiffe://evil"]);
    expect(judged(head).headerLines("x-forwarded-client-cert")).toEqual([]);
    const written = (name: string) => (name === "x-forwarded-client-cert" ? "By=spiffe://own" : undefined);
    expect(judged(head, { written }).headerLines("x-forwarded-client-cert")).toEqual(["By=spiffe://own"]);
  });

  it("that is dropped at a boundary is absent", () => {
    const head = headOf(["x-envoy-internal: true"]);
    expect(judged(head, { hop: "inbound_unverified" }).headerLines("x-envoy-internal")).toEqual([]);
    expect(judged(head, { hop: "inbound_verified" }).headerLines("x-envoy-internal")).toEqual(["true"]);
  });

  it("that a token changes is judged after the change", () => {
    const headers = {
      removed: new Set(["x-role", "authorization"]),
      added: [{ name: "x-role", value: "from the token" }],
    };
    const request = judged(headOf(["x-role: admin", "authorization: Bearer x", "x_role: root"]), { headers });
    expect(request.headerLines("x-role")).toEqual(["from the token"]);
    expect(request.headerLines("authorization")).toEqual([]);
    expect(request.confusion).toBeUndefined();
  });

  it("under another spelling that CGI-like servers read as the same name makes the request ambiguous", () => {
    const request = judged(headOf(["x_role: admin", "x-role: user"]));
    expect(request.confusion).toBeUndefined();
    expect(request.headerLines("x-other")).toEqual([]);
    expect(request.confusion).toBeUndefined();
    expect(request.headerLines("x-role")).toEqual(["user"]);
    expect(request.confusion).toMatchObject({ status: 400, details: expect.stringContaining("x_role as x-role") });
  });

  it.each([
    { asked: "_role", sent: "_role", lines: ["admin"], isConfused: false },
    { asked: "^role", sent: "^role", lines: ["admin"], isConfused: false },
    { asked: "1role", sent: "1role", lines: ["admin"], isConfused: false },
    { asked: "_role", sent: "-role", lines: [], isConfused: true },
    { asked: "-role", sent: "_role", lines: [], isConfused: true },
    { asked: "~role", sent: "^role", lines: [], isConfused: true },
    { asked: "_role", sent: "rrole", lines: [], isConfused: false },
  ])("whose name begins with another character is found: $sent for $asked", ({ asked, sent, lines, isConfused }) => {
    const request = judged(headOf([`${sent}: admin`]));
    expect(request.headerLines(asked)).toEqual(lines);
    expect(request.confusion !== undefined).toBe(isConfused);
  });
});

describe("a request of HTTP/1.1", () => {
  it("without a field that Connection names, which is not forwarded", () => {
    expect(judged(http1Head(["Connection: x-role", "X-Role: admin"])).headerLines("x-role")).toEqual([]);
  });

  it("has the protocol that its application reads", () => {
    expect(judged(http1Head([])).headerLines("x-forwarded-proto")).toEqual(["https"]);
    expect(judged(http1Head(["X-Forwarded-Proto: http"])).headerLines("x-forwarded-proto")).toEqual(["http"]);
  });
});
