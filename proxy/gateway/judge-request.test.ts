import { describe, expect, it } from "vitest";
import { isWebSocketUpgrade, judgeRequest, MAX_HEADERS, type RequestHead } from "./judge-request.ts";

const HOST = ["Host", "shop.example"];

function head(changes: Partial<RequestHead> = {}): RequestHead {
  return { method: "GET", target: "/a", version: "1.1", rawHeaders: HOST, ...changes };
}

describe("judgeRequest", () => {
  it("gives method, host, path, framing and headers of a plain request", () => {
    expect(judgeRequest(head({ rawHeaders: ["HOST", "Shop.example:8080", "X-A", "1", "x-a", "2"] }))).toEqual({
      kind: "accepted",
      method: "GET",
      host: "Shop.example:8080",
      path: "/a",
      framing: { kind: "none" },
      upgrade: undefined,
      headers: [
        ["host", "Shop.example:8080"],
        ["x-a", "1"],
        ["x-a", "2"],
      ],
    });
  });

  it.each([
    { name: "a length", headers: ["Content-Length", "12"], framing: { kind: "length", bytes: 12 } },
    { name: "chunks", headers: ["Transfer-Encoding", "Chunked"], framing: { kind: "chunked" } },
  ])("takes $name as the framing", ({ headers, framing }) => {
    expect(judgeRequest(head({ rawHeaders: [...HOST, ...headers] }))).toMatchObject({ kind: "accepted", framing });
  });

  it.each(["0x1", "+1", "-1", "1, 1", "1 1", "", "9007199254740993", "99999999999999999999"])(
    "refuses the length %j",
    (length) => {
      const rawHeaders = [...HOST, "Content-Length", length];
      expect(judgeRequest(head({ rawHeaders }))).toEqual({ kind: "refused", reason: "framing" });
    },
  );

  it.each(["chunked, chunked", "identity", "gzip, chunked", "chunked, gzip", "xchunked", "chunked;q=1", ""])(
    "refuses the transfer encoding %j",
    (encoding) => {
      const rawHeaders = [...HOST, "Transfer-Encoding", encoding];
      expect(judgeRequest(head({ rawHeaders }))).toEqual({ kind: "refused", reason: "framing" });
    },
  );

  it.each(["a.example", "a.example:80", "10.0.0.1", "[::1]:80", "a_b.example", "localhost"])(
    "takes the Host %s",
    (host) => {
      expect(judgeRequest(head({ rawHeaders: ["Host", host] }))).toMatchObject({ kind: "accepted", host });
    },
  );

  it.each([
    "",
    "a b",
    "a,b",
    "a/b",
    "a@b",
    "a?b",
    "a:b",
    "a:999999",
    "[::1",
    "-a",
    "a.example:80:80",
    "a\\b",
    "ä.example",
  ])("refuses the Host %j", (host) => {
    expect(judgeRequest(head({ rawHeaders: ["Host", host] }))).toEqual({ kind: "refused", reason: "host" });
  });

  it.each([
    { target: "/", path: "/" },
    { target: "//a//b/../c?x=//&y=?", path: "//a//b/../c?x=//&y=?" },
    { target: "/%2e%2e/%00", path: "/%2e%2e/%00" },
    { target: "http://shop.example", path: "/" },
    { target: "HTTP://SHOP.EXAMPLE/b?c", path: "/b?c" },
    { target: "http://shop.example?c", path: "/?c" },
  ])("forwards the target $target as $path", ({ target, path }) => {
    expect(judgeRequest(head({ target }))).toMatchObject({ kind: "accepted", path });
  });

  it.each([
    "",
    "*",
    "a",
    "shop.example:443",
    "/a b",
    "/ä",
    "/a\t",
    "http://shop.example:80/",
    "http://a@shop.example/",
    "ftp://shop.example/",
  ])("refuses the target %j", (target) => {
    expect(judgeRequest(head({ target }))).toEqual({ kind: "refused", reason: "target" });
  });

  it.each(["content_length", "Transfer_Encoding", "__proto__"])(
    "knows the name %s as one that could be taken for another",
    (name) => {
      expect(judgeRequest(head({ rawHeaders: [...HOST, name, "1"] })).kind).toBe("refused");
    },
  );

  it("counts headers", () => {
    const many = (count: number): string[] => Array.from({ length: count }, () => ["x-a", "b"]).flat();
    expect(judgeRequest(head({ rawHeaders: [...HOST, ...many(MAX_HEADERS - 1)] })).kind).toBe("accepted");
    expect(judgeRequest(head({ rawHeaders: [...HOST, ...many(MAX_HEADERS)] }))).toEqual({
      kind: "refused",
      reason: "too_many_headers",
    });
  });

  it.each([
    { name: "websocket", headers: ["Connection", "keep-alive, Upgrade", "Upgrade", "WebSocket"], upgrade: "websocket" },
    { name: "nothing without Connection", headers: ["Upgrade", "websocket"], upgrade: undefined },
    { name: "nothing for h2c", headers: ["Connection", "Upgrade", "Upgrade", "h2c"], upgrade: undefined },
    { name: "nothing for a list", headers: ["Connection", "Upgrade", "Upgrade", "h2c, websocket"], upgrade: undefined },
  ])("upgrades to $name", ({ headers, upgrade }) => {
    expect(judgeRequest(head({ rawHeaders: [...HOST, ...headers] }))).toMatchObject({ kind: "accepted", upgrade });
  });
});

describe("isWebSocketUpgrade", () => {
  it.each([
    { headers: ["Upgrade", "websocket"], expected: true },
    { headers: ["Upgrade", "h2c"], expected: false },
    { headers: ["Upgrade", "websocket", "Upgrade", "h2c"], expected: false },
    { headers: [], expected: false },
  ])("is $expected for $headers", ({ headers, expected }) => {
    expect(isWebSocketUpgrade([...HOST, ...headers])).toBe(expected);
  });
});
