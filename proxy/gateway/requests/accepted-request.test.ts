import { describe, expect, it } from "vitest";
import { HTTP1_LIMITS } from "../../http1/http1-limits.ts";
import { scanRequestHead } from "../../http1/scanning/scan-request-head.ts";
import { createUpstreamHeaders } from "../upstream/upstream-headers.ts";
import { type AcceptedRequest, acceptRequest } from "./accepted-request.ts";

/** A request whose fields are these lines. */
function accept(lines: string, start = "GET / HTTP/1.1"): AcceptedRequest {
  const bytes = Buffer.from(`${start}\r\nHost: a.example\r\n${lines}\r\n`, "latin1");
  return acceptRequest(scanRequestHead(bytes, 0, bytes.length, HTTP1_LIMITS));
}

describe("a request at the gateway", () => {
  it.each([
    { name: "a length", lines: "Content-Length: 007\r\n", expected: { "content-length": "7" } },
    { name: "chunks", lines: "Transfer-Encoding: CHUNKED\r\n", expected: { "transfer-encoding": "chunked" } },
    { name: "no body", lines: "", expected: {} },
    {
      name: "an upgrade",
      lines: "Connection: Upgrade\r\nUpgrade: WebSocket\r\n",
      expected: { connection: "Upgrade", upgrade: "websocket" },
    },
    {
      name: "an upgrade with a body",
      lines: "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n",
      expected: { "content-length": "1" },
    },
  ])("is forwarded with the framing of $name as it was parsed", ({ lines, expected }) => {
    const headers = createUpstreamHeaders(accept(lines), { "x-request-id": "id-1" });
    expect(headers).toEqual({ host: "a.example", "x-request-id": "id-1", ...expected });
  });

  it("is for the target's authority, and has its path", () => {
    expect(accept("", "GET http://b.example:81/x?y HTTP/1.1")).toMatchObject({ host: "b.example:81", path: "/x?y" });
  });

  it("loses a field that would be an object's prototype", () => {
    expect(accept("__proto__: x\r\nX-A: b\r\n").headers).toEqual([
      ["host", "a.example"],
      ["x-a", "b"],
    ]);
  });
});
