import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { until } from "../../../net/until-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";
import { dialHttp2, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A sidecar in front of an application that responds when the test says so. */
async function start() {
  const sockets: Socket[] = [];
  let received = "";
  let closed = 0;
  const applicationPort = await listen(cleanup, (socket) => {
    sockets.push(socket);
    socket.on("close", () => {
      closed += 1;
    });
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
  });
  const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "http" });
  const respond = (length = 2): void => {
    for (const socket of sockets) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nhi`);
  };
  return { side, respond, received: () => received, closed: () => closed };
}

const ABORTED = [{ status: 0, flags: "DC" }];

describe("an HTTP/1.1 client that ends its side", () => {
  it("behind its whole request gets its response (RFC 9112 §9.6), and the connection closes", async () => {
    const { side, respond, received } = await start();
    const client = await dialRaw(cleanup, side.port);
    client.end("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => received().includes("/a"));
    respond();
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n\r\nhi$/s);
    expect(side.http.counted).toMatchObject([{ status: 200, flags: "-" }]);
  });

  it("and is killed while its response stalls ends its request: the application sees an abort", async () => {
    const { side, respond, received, closed } = await start();
    const client = await dialRaw(cleanup, side.port);
    client.end("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => received().includes("/a"));
    respond(1000);
    await readUntil(client, "hi");
    client.resetAndDestroy();
    await until(() => closed() === 1);
    expect(side.http.counted).toMatchObject([{ status: 200, flags: "DC" }]);
    expect(side.registry.size).toBe(0);
  });

  it.each([
    { name: "content with a length", framing: "Content-Length: 10", body: "half" },
    { name: "chunks", framing: "Transfer-Encoding: chunked", body: "4\r\nhalf\r\n" },
  ])("in the middle of $name aborts its request: no application gets it as complete", async ({ framing, body }) => {
    const { side, received, closed } = await start();
    const client = await dialRaw(cleanup, side.port);
    client.write(`POST /a HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${body}`);
    await until(() => received().includes("half"));
    client.end();
    await until(() => closed() === 1);
    expect(received()).not.toContain("0\r\n\r\n");
    expect(side.http.counted).toMatchObject(ABORTED);
  });
});

/** As Envoy and nginx do: it can open no window, cancel nothing and acknowledge nothing any more. */
describe("an HTTP/2 client that ends its side", () => {
  it.each([
    { name: "behind whole requests", ends: true },
    { name: "in the middle of a request", ends: false },
  ])("$name ends what is in progress: the application sees aborts", async ({ ends }) => {
    const { side, received, closed } = await start();
    const client = await dialHttp2(cleanup, side.port);
    client.send(client.headers(1, requestOf("/a", [], "POST"), { ends: false }), dataFrame(1, "half", ends));
    await until(() => received().includes("half"));
    client.socket.end();
    await until(() => closed() === 1);
    expect(received().endsWith("0\r\n\r\n")).toBe(ends);
    await until(() => side.registry.size === 0);
    expect(side.http.counted).toMatchObject(ABORTED);
  });

  it("without a request in progress ends its connection, cleanly", async () => {
    const { side } = await start();
    const client = await dialHttp2(cleanup, side.port);
    await client.until(() => client.frames.length > 0);
    client.socket.end();
    await client.closed();
    await until(() => side.registry.size === 0);
    expect(side.http.counted).toEqual([]);
  });
});
