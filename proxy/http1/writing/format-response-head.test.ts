import { describe, expect, it } from "vitest";
import { ResponseFramer } from "../response-framer.ts";
import { formatResponseHead, type ResponseEdits } from "./format-response-head.ts";

function rewriteResponse(text: string, edits: ResponseEdits = { close: false }): string {
  const framer = new ResponseFramer();
  framer.expect({ method: "GET", hasUpgrade: true });
  const [event] = framer.push(Buffer.from(text, "latin1"));
  if (event?.kind !== "head") throw new Error(`no head but ${event?.kind}`);
  return formatResponseHead(event.head, edits);
}

describe("a response's head", () => {
  const LENGTH = "Content-Length: 0\r\n";

  it("with nothing to change is the identical text", () => {
    const text = `HTTP/1.1 200 Everything fine\r\nSet-Cookie: a\r\nSET-COOKIE: b\r\n${LENGTH}\r\n`;
    expect(rewriteResponse(text)).toBe(text);
  });

  it("loses its hop-by-hop fields, including those that Connection names", () => {
    const fields = `Connection: keep-alive, X-Own\r\nKeep-Alive: timeout=5\r\nX-Own: 1\r\nX-Kept: 2\r\n${LENGTH}`;
    expect(rewriteResponse(`HTTP/1.1 200 OK\r\n${fields}\r\n`)).toBe(`HTTP/1.1 200 OK\r\nX-Kept: 2\r\n${LENGTH}\r\n`);
  });

  it("does not reveal to the client whose certificate the proxy has seen", () => {
    const text = `HTTP/1.1 200 OK\r\nX-Forwarded-Client-Cert: URI=x\r\n${LENGTH}\r\n`;
    expect(rewriteResponse(text)).toBe(`HTTP/1.1 200 OK\r\n${LENGTH}\r\n`);
  });

  it("has Connection: close if the client's connection closes, whatever the server's does", () => {
    expect(rewriteResponse(`HTTP/1.1 200 OK\r\n${LENGTH}\r\n`, { close: true })).toBe(
      `HTTP/1.1 200 OK\r\n${LENGTH}connection: close\r\n\r\n`,
    );
    expect(rewriteResponse(`HTTP/1.1 200 OK\r\nConnection: close\r\n${LENGTH}\r\n`)).toBe(
      `HTTP/1.1 200 OK\r\n${LENGTH}\r\n`,
    );
  });

  it("is HTTP/1.1 although the server speaks 1.0 (RFC 9110 §2.5)", () => {
    expect(rewriteResponse(`HTTP/1.0 200 Fine\r\n${LENGTH}\r\n`)).toBe(`HTTP/1.1 200 Fine\r\n${LENGTH}\r\n`);
  });

  it("of an upgrade keeps the protocol, and never has Connection: close", () => {
    const text = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\n";
    expect(rewriteResponse(text, { close: true })).toBe(
      "HTTP/1.1 101 Switching\r\nX-Own: 1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
  });

  it.each([
    { name: "204 with a length", line: "HTTP/1.1 204 No Content", fields: "Content-Length: 4\r\n", kept: "" },
    { name: "204 with a length of 0", line: "HTTP/1.1 204 No Content", fields: "Content-Length: 0\r\n", kept: "" },
    { name: "103 with a length of 0", line: "HTTP/1.1 103 Early Hints", fields: "Content-Length: 0\r\n", kept: "" },
    { name: "205", line: "HTTP/1.1 205 Reset", fields: "Content-Length: 0\r\n", kept: "Content-Length: 0\r\n" },
    { name: "304", line: "HTTP/1.1 304 Not", fields: "Content-Length: 9\r\n", kept: "Content-Length: 9\r\n" },
  ])("has framing only if its status allows it (RFC 9110 §8.6): $name", ({ line, fields, kept }) => {
    expect(rewriteResponse(`${line}\r\nX-Kept: 1\r\n${fields}\r\n`)).toBe(`${line}\r\nX-Kept: 1\r\n${kept}\r\n`);
  });

  it("gets the route's fields", () => {
    const headers = { added: [{ name: "x-new", value: "1" }], removed: new Set(["server"]) };
    expect(rewriteResponse(`HTTP/1.1 200 OK\r\nServer: s\r\n${LENGTH}\r\n`, { close: false, headers })).toBe(
      `HTTP/1.1 200 OK\r\n${LENGTH}x-new: 1\r\n\r\n`,
    );
  });
});
