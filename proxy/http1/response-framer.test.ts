import { describe, expect, it } from "vitest";
import { frameResponse } from "./frame-fixture.ts";
import { HTTP1_LIMITS } from "./http1-limits.ts";
import { LENIENT_RESPONSES } from "./lenient-corpus-fixture.ts";
import { ResponseFramer } from "./response-framer.ts";

const GET = { method: "GET", hasUpgrade: false };
const HEAD = { method: "HEAD", hasUpgrade: false };
const OK = "HTTP/1.1 200 OK\r\n";

describe("ResponseFramer", () => {
  it.each([
    { name: "a length", bytes: `${OK}Content-Length: 2\r\n\r\nok`, content: [2] },
    { name: "chunks", bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, content: [2] },
    { name: "no content", bytes: `${OK}Content-Length: 0\r\n\r\n`, content: [0] },
    { name: "no length: until the connection ends", bytes: `${OK}\r\nabc`, ends: true, content: [3] },
    { name: "HEAD, whatever the length", bytes: `${OK}Content-Length: 500\r\n\r\n`, request: HEAD, content: [0] },
    { name: "HEAD of chunks", bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n`, request: HEAD, content: [0] },
    { name: "204 with a length", bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", content: [0] },
    { name: "304 with a length", bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", content: [0] },
    {
      name: "100 before the response",
      bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      content: [0, 1],
    },
    {
      name: "103 before the response",
      bytes: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
      content: [0, 0],
    },
    {
      name: "100 of HTTP/1.0 before the response",
      bytes: `HTTP/1.0 100 Continue\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      content: [0, 1],
    },
    { name: "no reason", bytes: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", content: [0] },
    { name: "HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\n\r\nabc", ends: true, content: [3] },
  ])("ends at the right byte: $name", ({ bytes, request, ends, content }) => {
    const framed = frameResponse([Buffer.from(bytes)], request ?? GET, ends ?? false);
    expect({ contents: framed.contents, fault: framed.fault }).toEqual({ contents: content, fault: undefined });
  });

  it.each([
    {
      name: "CL beside TE",
      bytes: `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`,
      fault: "ambiguous_framing",
    },
    {
      name: "TE in 103",
      bytes: "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n",
      fault: "ambiguous_framing",
    },
    { name: "103 with close", bytes: "HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n", fault: "ambiguous_framing" },
    { name: "103 with a length", bytes: "HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n", fault: "ambiguous_framing" },
    { name: "TE in 204", bytes: "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", fault: "ambiguous_framing" },
    { name: "two CL", bytes: `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`, fault: "bad_content_length" },
    { name: "a bad CL", bytes: `${OK}Content-Length: 2x\r\n\r\nok`, fault: "bad_content_length" },
    { name: "TE gzip", bytes: `${OK}Transfer-Encoding: gzip\r\n\r\n`, fault: "bad_transfer_encoding" },
    {
      name: "TE in HTTP/1.0",
      bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      fault: "bad_transfer_encoding",
    },
    { name: "a bad chunk", bytes: `${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, fault: "bad_chunk" },
    { name: "bytes after the response", bytes: `${OK}Content-Length: 2\r\n\r\nok${OK}\r\n`, fault: "unasked_response" },
    {
      name: "bytes after a HEAD's response",
      bytes: `${OK}Content-Length: 2\r\n\r\nok`,
      request: HEAD,
      fault: "unasked_response",
    },
    {
      name: "an upgrade that was not requested",
      bytes: "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
      fault: "bad_upgrade",
    },
    { name: "an end inside the head", bytes: "HTTP/1.1 200 OK\r\nConte", ends: true, fault: "unexpected_end" },
    { name: "an end inside a length", bytes: `${OK}Content-Length: 5\r\n\r\nabc`, ends: true, fault: "unexpected_end" },
    {
      name: "an end inside chunks",
      bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nabc`,
      ends: true,
      fault: "unexpected_end",
    },
    { name: "a FIN before any response", bytes: "", ends: true, fault: "unexpected_end" },
    { name: "garbage", bytes: "SSH-2.0-OpenSSH\r\n\r\n", fault: "bad_start_line" },
    { name: "HTTP/2", bytes: "HTTP/2.0 200 OK\r\n\r\n", fault: "bad_start_line" },
    { name: "a status of two digits", bytes: "HTTP/1.1 20 OK\r\n\r\n", fault: "bad_start_line" },
    { name: "a status of 099", bytes: "HTTP/1.1 099 OK\r\n\r\n", fault: "bad_start_line" },
    { name: "a bare LF", bytes: `${OK}X: y\nContent-Length: 0\r\n\r\n`, fault: "bad_line_end" },
    { name: "a folded line", bytes: `${OK}X: y\r\n z\r\nContent-Length: 0\r\n\r\n`, fault: "bad_field_line" },
  ])("refuses $name", ({ bytes, request, ends, fault }) => {
    expect(frameResponse([Buffer.from(bytes)], request ?? GET, ends ?? false).fault).toBe(fault);
  });

  it.each(LENIENT_RESPONSES)("forwards in its canonical form: $name", ({ bytes, plain }) => {
    for (const sent of [bytes, plain]) {
      const framed = frameResponse([Buffer.from(sent, "latin1")], GET, false);
      expect({ fault: framed.fault, forwarded: framed.forwarded }).toEqual({ fault: undefined, forwarded: plain });
    }
  });

  it("also gives a chunked body's content without framing, and its trailers as fields", () => {
    const bytes = Buffer.from(`${OK}Transfer-Encoding: chunked\r\n\r\n2;a="b"\r\nok\r\n3\r\n...\r\n0\r\nX: y\r\n\r\n`);
    const whole = frameResponse([bytes], GET, false);
    expect(whole).toMatchObject({ fault: undefined, contents: [5], content: "ok...", trailers: ["x: y"] });
    expect(whole.forwarded).toBe(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n...\r\n0\r\nX: y\r\n\r\n`);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
      const { trace, content, trailers } = frameResponse(pieces, GET, false);
      expect({ trace, content, trailers }).toEqual({ trace: whole.trace, content: "ok...", trailers: ["x: y"] });
    }
  });

  it("accepts a head of more than 64 KB, and names the limit of one that is too large", () => {
    const head = (bytes: number): Buffer => Buffer.from(`${OK}Content-Length: 0\r\nX: ${"a".repeat(bytes)}\r\n\r\n`);
    expect(frameResponse([head(200_000)], GET, false).fault).toBeUndefined();
    const framer = new ResponseFramer();
    framer.expect(GET);
    const message = `more than ${HTTP1_LIMITS.maxResponseHeadBytes} bytes of a response's head; the proxy's ENTENTE_MAX_RESPONSE_HEAD_BYTES raises this limit`;
    expect(framer.push(head(300_000))).toMatchObject([{ fault: { code: "head_too_large", message } }]);
  });

  it("parses nothing after a 101", () => {
    const framer = new ResponseFramer();
    framer.expect({ method: "GET", hasUpgrade: true });
    const events = framer.push(
      Buffer.from("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi", "latin1"),
    );
    expect(events[0]).toMatchObject({ kind: "head", head: { status: 101, upgrade: "websocket" } });
    framer.push(Buffer.from("more"));
    expect(framer.takeRest().toString("latin1")).toBe("\x81\x02himore");
  });

  it("treats bytes on an idle connection as a fault", () => {
    const framer = new ResponseFramer();
    expect(framer.push(Buffer.from(OK))).toMatchObject([{ kind: "fault", fault: { code: "unasked_response" } }]);
  });

  it("reads how long the server keeps an idle connection", () => {
    const framer = new ResponseFramer();
    framer.expect(GET);
    const [head] = framer.push(Buffer.from(`${OK}Content-Length: 0\r\nKeep-Alive: timeout=5, max=100\r\n\r\n`));
    expect(head).toMatchObject({ kind: "head", head: { idleSeconds: 5, keepAlive: true } });
  });
});
