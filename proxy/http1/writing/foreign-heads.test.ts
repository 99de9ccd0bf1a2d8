import { describe, expect, it } from "vitest";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import { formatRequestHead } from "./format-request-head.ts";
import { formatResponseHead } from "./format-response-head.ts";

const EDITS: RequestEdits = { hop: "outbound", forwardedClientCert: undefined, createRequestId: () => "made-here" };
const OWN = "x-request-id: made-here\r\nx-forwarded-proto: http\r\n";

function request(texts: readonly string[], head: Partial<RequestHead> = {}, edits: Partial<RequestEdits> = {}): string {
  const whole: RequestHead = {
    ...{ version: "2", method: "POST", scheme: "http", authority: "a.example", path: "/p", upgrade: undefined },
    ...{ content: { kind: "none" }, expectsContinue: false, bytes: 0, fields: listOf(texts), ...head },
  };
  return formatRequestHead(whole, { ...EDITS, ...edits });
}

function response(texts: readonly string[], head: Partial<ResponseHead> = {}, isHead = false): string {
  const whole: ResponseHead = {
    ...{ version: "2", status: 200, upgrade: undefined, report: undefined },
    ...{ content: { kind: "none" }, fields: listOf(texts), ...head },
  };
  return formatResponseHead(whole, { close: false, coding: "chunks", isHead });
}

describe("an HTTP/2 request to an HTTP/1.1 server", () => {
  it.each([
    { name: "a known length", content: { kind: "length", length: 7 }, line: "content-length: 7\r\n" },
    {
      name: "an unknown length",
      content: { kind: "unknown", endsBy: "frames" },
      line: "transfer-encoding: chunked\r\n",
    },
    { name: "no content", content: { kind: "none" }, line: "" },
  ] as const)("has one framing of ours for $name", ({ content, line }) => {
    expect(request(["x-a", "1"], { content })).toBe(
      `POST /p HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\n${line}${OWN}\r\n`,
    );
  });

  it("never has the client's framing, whatever it sent", () => {
    const texts = ["content-length", "9", "transfer-encoding", "gzip", "connection", "x-a", "host", "forged"];
    expect(request(texts, { content: { kind: "length", length: 7 } })).toBe(
      `POST /p HTTP/1.1\r\nhost: a.example\r\ncontent-length: 7\r\n${OWN}\r\n`,
    );
  });

  it("keeps a length of 0, which some servers demand", () => {
    expect(request(["content-length", "0"])).toContain("\r\ncontent-length: 0\r\n");
  });

  it("has one cookie of all crumbs, and TE: trailers for this hop", () => {
    expect(request(["cookie", "a=1", "te", "trailers", "cookie", "b=2"])).toBe(
      `POST /p HTTP/1.1\r\nhost: a.example\r\ncookie: a=1; b=2\r\nte: trailers\r\nconnection: te\r\n${OWN}\r\n`,
    );
  });

  it("loses a forged identity and what the route removes, in every spelling, and goes where the route sends it", () => {
    const headers = { removed: new Set(["x-secret"]), added: [{ name: "x-new", value: "1" }] };
    const texts = ["x-forwarded-client-cert", "URI=forged", "x_secret", "1", "x-envoy-retry-on", "5xx"];
    expect(request(texts, {}, { headers, path: "/new", authority: "b.example" })).toBe(
      `POST /new HTTP/1.1\r\nhost: b.example\r\n${OWN}x-new: 1\r\n\r\n`,
    );
  });

  it.each([
    { name: "a line break in the method", head: { method: "GET / HTTP/1.1\r\n\r\nGET" } },
    { name: "a blank in the path", head: { path: "/ HTTP/1.1\r\nx: y" } },
    { name: "an absolute path", head: { path: "http://b/" } },
    { name: "credentials in the authority", head: { authority: "a@b" } },
    { name: "no authority", head: { authority: "" } },
    { name: "a line break in a value", texts: ["x", "1\r\ny: 2"] },
    { name: "a character above latin1 whose byte is a line feed", texts: ["x", "1\u010a"] },
    { name: "a colon in a name", texts: ["x:y", "1"] },
    { name: "a name that some servers read as Content-Length", texts: ["content_length", "1"] },
    { name: "a method that some servers read as HEAD", head: { method: "head" } },
  ])("is refused with $name (CVE-2021-33193, CVE-2021-39241)", ({ head, texts }) => {
    expect(() => request(texts ?? [], head)).toThrow(/unsound_head/);
  });
});

describe("an HTTP/2 response to an HTTP/1.1 client", () => {
  it.each([
    { name: "a known length", content: { kind: "length", length: 7 }, line: "content-length: 7\r\n" },
    {
      name: "an unknown length",
      content: { kind: "unknown", endsBy: "frames" },
      line: "transfer-encoding: chunked\r\n",
    },
    {
      name: "no content, which would otherwise last until the end",
      content: { kind: "none" },
      line: "content-length: 0\r\n",
    },
  ] as const)("has one framing of ours for $name", ({ content, line }) => {
    expect(response(["content-length", "9", "x-a", "1"], { content })).toBe(`HTTP/1.1 200 OK\r\nx-a: 1\r\n${line}\r\n`);
  });

  it.each([
    { name: "HEAD", status: 200, isHead: true, expected: "content-length: 9\r\n" },
    { name: "304", status: 304, isHead: false, expected: "content-length: 9\r\n" },
    { name: "204", status: 204, isHead: false, expected: "" },
    { name: "103", status: 103, isHead: false, expected: "" },
  ])("to or with $name describes content only where that is allowed", ({ status, isHead, expected }) => {
    expect(response(["content-length", "9"], { status }, isHead)).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} [A-Za-z ]*\r\n${expected}\r\n$`),
    );
  });

  it.each([{ status: 101 }, { status: 99 }, { status: 1000 }])("is refused with status $status", ({ status }) => {
    expect(() => response([], { status })).toThrow(/unsound_head/);
  });
});
