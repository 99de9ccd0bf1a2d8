import { describe, expect, it } from "vitest";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { Http1RequestHead } from "../message-head.ts";
import { RequestFramer } from "../request-framer.ts";
import { formatRequestHead } from "./format-request-head.ts";

const PEER = 'By=spiffe://a/ns/x;Hash=00;Subject="";URI=spiffe://a/ns/y';
const EDITS: RequestEdits = {
  hop: "outbound",
  forwardedClientCert: undefined,
  createRequestId: () => "made-here",
};

function requestHead(text: string): Http1RequestHead {
  const [event] = new RequestFramer().push(Buffer.from(text, "latin1"));
  if (event?.kind !== "head") throw new Error(`no head but ${event?.kind}`);
  return event.head;
}

function rewriteRequest(fields: string, edits: Partial<RequestEdits> = {}, line = "GET /a HTTP/1.1"): string {
  return formatRequestHead(requestHead(`${line}\r\nHost: a\r\n${fields}\r\n`), { ...EDITS, ...edits });
}

/** With these fields nothing is added. */
const ID = "x-request-id: 1\r\nx-forwarded-proto: http\r\n";

describe("a request's head", () => {
  it("with nothing to change is the identical text", () => {
    const head = requestHead(`GET /a HTTP/1.1\r\nHOST: a\r\nX-Odd:  two  blanks\r\n${ID}\r\n`);
    expect(formatRequestHead(head, EDITS)).toBe(head.fields.text);
  });

  it.each([
    { name: "Connection", fields: "Connection: keep-alive\r\n" },
    { name: "Keep-Alive", fields: "Keep-Alive: timeout=5\r\n" },
    { name: "Proxy-Connection", fields: "Proxy-Connection: keep-alive\r\n" },
    { name: "TE", fields: "TE: trailers\r\n" },
    { name: "Upgrade without Connection", fields: "Upgrade: websocket\r\n" },
    { name: "HTTP2-Settings", fields: "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" },
    { name: "a field that Connection names, in any case", fields: "Connection: X-OWN\r\nx-Own: 1\r\nX-OWN: 2\r\n" },
    { name: "a field named before it comes and after", fields: "X-Own: 1\r\nConnection: close, x-own\r\nX-Own: 2\r\n" },
    { name: "a forged identity", fields: "X-Forwarded-Client-Cert: URI=spiffe://forged\r\n" },
    {
      name: "a forged identity in any case, however often",
      fields: "x-forwarded-CLIENT-cert: URI=1\r\nX-FORWARDED-CLIENT-CERT: URI=2\r\n",
    },
  ])("loses $name, and nothing else", ({ fields }) => {
    expect(rewriteRequest(`X-Before: 1\r\n${fields}${ID}X-After: 2\r\n`)).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nX-Before: 1\r\n${ID}X-After: 2\r\n\r\n`,
    );
    expect(rewriteRequest(`${ID}${fields}`)).toBe(`GET /a HTTP/1.1\r\nHost: a\r\n${ID}\r\n`);
  });

  it("names the verified peer instead of the claimed one", () => {
    const head = rewriteRequest(`X-Forwarded-Client-Cert: URI=forged\r\n${ID}`, { forwardedClientCert: PEER });
    expect(head).toBe(`GET /a HTTP/1.1\r\nHost: a\r\n${ID}x-forwarded-client-cert: ${PEER}\r\n\r\n`);
  });

  it("gets a request id and a protocol if it has none, and keeps its own", () => {
    expect(rewriteRequest("")).toBe(
      "GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: made-here\r\nx-forwarded-proto: http\r\n\r\n",
    );
    const own = "X-REQUEST-ID: own\r\nX-Forwarded-PROTO: https\r\n";
    expect(rewriteRequest(own)).toBe(`GET /a HTTP/1.1\r\nHost: a\r\n${own}\r\n`);
  });

  it.each([
    { hop: "outbound", proto: "http" },
    { hop: "inbound_unverified", proto: "http" },
    { hop: "inbound_verified", proto: "https" },
  ] as const)("gets $proto at $hop", ({ hop, proto }) => {
    expect(rewriteRequest("x-request-id: 1\r\n", { hop })).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: 1\r\nx-forwarded-proto: ${proto}\r\n\r\n`,
    );
  });

  it("gets fields that a client tried to remove by naming them in Connection", () => {
    const fields = "Connection: x-forwarded-proto\r\nx-forwarded-proto: https\r\nx-request-id: 1\r\n";
    expect(rewriteRequest(fields)).toBe(
      "GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: 1\r\nx-forwarded-proto: http\r\n\r\n",
    );
  });

  it.each(["x-envoy-retry-on", "X-Envoy-Peer-Metadata", "X_ENVOY_DECORATOR_OPERATION", "x.envoy.internal"])(
    "loses %s at a boundary, and nothing that only looks similar",
    (name) => {
      const fields = `${name}: 1\r\nx-envoyage: 2\r\nx-e: 3\r\nxenvoy-a: 4\r\n${ID}`;
      const kept = `GET /a HTTP/1.1\r\nHost: a\r\nx-envoyage: 2\r\nx-e: 3\r\nxenvoy-a: 4\r\n${ID}\r\n`;
      for (const hop of ["outbound", "inbound_unverified"] as const) expect(rewriteRequest(fields, { hop })).toBe(kept);
    },
  );

  it("keeps what a verified peer's proxy has written, except its metadata", () => {
    const fields = `x-envoy-attempt-count: 2\r\nx-envoy-peer-metadata-id: x\r\nx-envoy-external-address: 192.0.2.1\r\n${ID}`;
    expect(rewriteRequest(fields, { hop: "inbound_verified" })).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nx-envoy-attempt-count: 2\r\nx-envoy-external-address: 192.0.2.1\r\n${ID}\r\n`,
    );
  });

  it("has no request id and protocol that the route removes, and has those that it sets once", () => {
    const headers = {
      added: [{ name: "x-request-id", value: "route" }],
      removed: new Set(["x-request-id", "x-forwarded-proto"]),
    };
    expect(rewriteRequest("", { headers })).toBe("GET /a HTTP/1.1\r\nHost: a\r\nx-request-id: route\r\n\r\n");
  });

  it("keeps the fields of traces byte for byte", () => {
    const traces =
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nTraceState:  a=1,b=2 \r\n" +
      "X-B3-TraceId: 80f198ee56343ba8\r\nX-B3-SpanId: e457b5a2e4d86bd1\r\nx-b3-sampled: 1\r\nb3: 80f1-e457-1\r\n";
    expect(rewriteRequest(`Connection: close\r\n${traces}Keep-Alive: 1\r\n${ID}`)).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\n${traces}${ID}\r\n`,
    );
  });

  it("keeps a requested upgrade, and no other hop-by-hop field", () => {
    const fields = `Connection: Upgrade, X-Own\r\nUpgrade: websocket\r\nX-Own: 1\r\nSec-WebSocket-Key: k\r\n${ID}`;
    expect(rewriteRequest(fields)).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\n${ID}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
  });

  it("keeps its body's framing", () => {
    const fields = `Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n${ID}`;
    expect(rewriteRequest(fields, {}, "POST /a HTTP/1.1")).toBe(`POST /a HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  });
});

describe("a request's target and host", () => {
  it.each([
    { line: "GET http://a/p?q=1 HTTP/1.1", expected: "GET /p?q=1 HTTP/1.1" },
    { line: "GET http://a HTTP/1.1", expected: "GET / HTTP/1.1" },
    { line: "GET http://a?q HTTP/1.1", expected: "GET /?q HTTP/1.1" },
    { line: "OPTIONS * HTTP/1.1", expected: "OPTIONS * HTTP/1.1" },
    { line: "GET //a/b HTTP/1.1", expected: "GET //a/b HTTP/1.1" },
    { line: "GET /a HTTP/1.0", expected: "GET /a HTTP/1.0" },
  ])("$line is forwarded as $expected (RFC 9112 §3.2.2)", ({ line, expected }) => {
    expect(rewriteRequest(ID, {}, line)).toBe(`${expected}\r\nHost: a\r\n${ID}\r\n`);
  });

  it("are the route's, if it rewrites them", () => {
    expect(rewriteRequest(ID, { path: "/new", authority: "other.example" })).toBe(
      `GET /new HTTP/1.1\r\n${ID}host: other.example\r\n\r\n`,
    );
  });

  it.each(["x_secret", "X.Secret", "X-SECRET"])("lose %s if the route removes x-secret", (name) => {
    const headers = { added: [], removed: new Set(["x-secret"]) };
    expect(rewriteRequest(`${name}: 1\r\nX-Secrets: 2\r\n${ID}`, { headers })).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nX-Secrets: 2\r\n${ID}\r\n`,
    );
  });

  it("get the route's fields instead of those it removes", () => {
    const headers = { added: [{ name: "x-new", value: "1" }], removed: new Set(["x-old"]) };
    expect(rewriteRequest(`X-Old: 1\r\nX-Older: 2\r\n${ID}X-OLD: 3\r\n`, { headers })).toBe(
      `GET /a HTTP/1.1\r\nHost: a\r\nX-Older: 2\r\n${ID}x-new: 1\r\n\r\n`,
    );
  });
});
