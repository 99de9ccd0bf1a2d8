import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { OK_REPLY, startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, listen, readUntil, readUntilClosed, sendRaw } from "../../net/raw-client-fixture.ts";
import { Deadlines } from "../http/deadlines.ts";
import { startLenientGateway, startTestGateway } from "./gateway-fixture.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import { FramedClient } from "./requests/framed-client.ts";
import { nextRequest } from "./requests/next-request-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(limits: Partial<GatewayLimits> = {}) {
  return await startLenientGateway(cleanup, { limits });
}

const HOST = "Host: shop.example\r\n";
const LAST = `GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

describe("a client that is slow or exceeds limits", () => {
  it("is cut when it is silent", async () => {
    const { port } = await start({ headersTimeoutMs: 200 });
    expect(await readUntilClosed(await dialRaw(cleanup, port))).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("is cut when its headers arrive too slowly", async () => {
    const { port, upstream } = await start({ headersTimeoutMs: 200 });
    const client = await dialRaw(cleanup, port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}`);
    const drip = setInterval(() => client.write("X-A: b\r\n"), 30);
    cleanup.add(() => clearInterval(drip));
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 408 /);
    expect(upstream.executed).toEqual([]);
  });

  it("is cut when its body stalls", async () => {
    const { port, upstream, answers } = await start({ bodyIdleMs: 90 });
    const client = await dialRaw(cleanup, port);
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`);
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 408 /);
    await expect.poll(() => upstream.connections).toBe(0);
    expect(answers).toEqual(["gateway 408 body_timeout"]);
  });

  it("is not cut while its body moves, however long it takes", async () => {
    const clock = startFastClock(cleanup);
    const limits = { bodyIdleMs: 600, headersTimeoutMs: 600 };
    const { port, upstream } = await startLenientGateway(cleanup, { limits, deadlines: new Deadlines(clock, 20) });
    const client = await dialRaw(cleanup, port);
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 20\r\nConnection: close\r\n\r\n`);
    let sent = 0;
    const drip = (): void => {
      sent += 1;
      client.write("x");
      if (sent < 20) clock.setTimeout(drip, 60);
    };
    drip();
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(upstream.executed[0]?.body).toBe("x".repeat(20));
  });

  it("is not cut because of an upstream that stops reading", async () => {
    const size = 8_000_000;
    const clock = startFastClock(cleanup);
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      let received = 0;
      clock.setTimeout(() => {
        socket.on("data", (chunk: Buffer) => {
          received += chunk.length;
          if (received > size) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
      }, 1500);
    });
    const options = { limits: { bodyIdleMs: 600 }, deadlines: new Deadlines(clock, 20) };
    const { port } = await startTestGateway(cleanup, await listen(cleanup, server), options);
    const body = "x".repeat(size);
    const request = `POST /a HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\nConnection: close\r\n\r\n${body}`;
    expect(await sendRaw(cleanup, port, request)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it.each([
    {
      name: "headers are too long",
      headers: `X-Long: ${"a".repeat(66_000)}\r\n`,
      setting: "ENTENTE_MAX_REQUEST_HEAD_BYTES",
    },
    { name: "headers are too many", headers: "X-A: b\r\n".repeat(128), setting: "ENTENTE_MAX_REQUEST_FIELDS" },
  ])("gets 431 when its $name, with the limit and the setting that raises it", async ({ headers, setting }) => {
    const { port, upstream } = await start();
    const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}${headers}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain(`${setting} raises this limit`);
    expect(upstream.executed).toEqual([]);
  });

  it("may send and receive as much as the settings allow", async () => {
    const long = `X-Long: ${"a".repeat(100_000)}\r\n`;
    const upstream = await startLenientUpstream(cleanup, () => `HTTP/1.1 200 OK\r\n${long}Content-Length: 0\r\n\r\n`);
    const raised = { messageLimits: { maxRequestHeadBytes: 200_000 } };
    const { port } = await startTestGateway(cleanup, upstream.port, raised);
    const request = `GET /a HTTP/1.1\r\n${HOST}Connection: close\r\n${long}\r\n`;
    expect(await sendRaw(cleanup, port, request)).toMatch(/^HTTP\/1\.1 200 .*\r\nx-long: a{100000}\r\n/is);
    const lowered = { messageLimits: { maxRequestHeadBytes: 200_000, maxResponseHeadBytes: 2000 } };
    const other = await startTestGateway(cleanup, upstream.port, lowered);
    const answer = await sendRaw(cleanup, other.port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*ENTENTE_MAX_RESPONSE_HEAD_BYTES raises this limit/s);
  });

  it("is held no longer than the upstream timeout after it has half-closed, and others are served", async () => {
    const upstream = await startLenientUpstream(cleanup, (asked, socket) =>
      asked.line.includes("/slow") ? undefined : OK_REPLY(asked, socket),
    );
    // The system's clock measures it, and a busy machine needs a while to send and to serve all of them.
    const limits = { upstreamIdleMs: 4000 };
    const { port, gateway } = await startTestGateway(cleanup, upstream.port, { limits });
    const clients = await Promise.all(Array.from({ length: 50 }, () => dialRaw(cleanup, port)));
    for (const client of clients) client.end(`GET /slow HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => upstream.executed.length).toBe(50);
    expect(await sendRaw(cleanup, port, LAST)).toContain("served GET /last");
    const answers = await Promise.all(clients.map(readUntilClosed));
    expect(answers.every((answer) => answer.startsWith("HTTP/1.1 504 "))).toBe(true);
    await expect.poll(() => gateway.listeners()[0]?.connections).toBe(0);
    await expect.poll(() => upstream.connections).toBeLessThanOrEqual(1);
  });

  it("is disconnected after a maximum number of requests", async () => {
    const { port, upstream } = await start({ maxRequestsPerConnection: 2 });
    const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`.repeat(5));
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(answer).toMatch(/connection: close/i);
    expect(upstream.executed).toHaveLength(2);
  });

  it("makes room for a new one while it is silent, so that silent clients do not exclude others", async () => {
    const { port } = await start({ maxConnections: 2 });
    const [oldest, newer] = [await dialRaw(cleanup, port), await dialRaw(cleanup, port)];
    const third = await dialRaw(cleanup, port);
    expect(await readUntilClosed(oldest)).toBe("");
    third.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(third, "served GET /a");
    newer.write(`GET /b HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(newer, "served GET /b");
  });

  it("finds no room when all others have a request in progress", async () => {
    const upstream = await startLenientUpstream(cleanup, () => undefined);
    const { port } = await startTestGateway(cleanup, upstream.port, { limits: { maxConnections: 2 } });
    const clients = [await dialRaw(cleanup, port), await dialRaw(cleanup, port)];
    for (const client of clients) client.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => upstream.executed.length).toBe(2);
    expect(await readUntilClosed(await dialRaw(cleanup, port))).toBe("");
    expect(clients.every((client) => !client.destroyed)).toBe(true);
  });

  it.each([
    { name: "requests", piece: `GET /b HTTP/1.1\r\n${HOST}\r\n`.repeat(1000) },
    { name: "garbage", piece: "\0".repeat(65_536) },
  ])("is paused when it sends $name after a response that it does not read", async ({ piece }) => {
    const length = 32 << 20;
    const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
    const upstream = await startLenientUpstream(cleanup, () => answer);
    const { port } = await startTestGateway(cleanup, upstream.port);
    const client = await dialRaw(cleanup, port);
    const serving = nextRequest(port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    const { socket } = await serving;
    await expect.poll(() => socket.writableNeedDrain).toBe(true);
    if (!(socket instanceof FramedClient)) throw new Error("the connection is not framed");
    const listeners = socket.listenerCount("error") + socket.listenerCount("finish");
    for (let sent = 0; sent < 16 << 20 && client.writableLength < 8 << 20; sent += piece.length) client.write(piece);
    await expect.poll(() => socket.socket.isPaused()).toBe(true);
    expect(socket.socket.bytesRead).toBeLessThan(1 << 20);
    expect(socket.listenerCount("error") + socket.listenerCount("finish")).toBe(listeners);
    expect(await sendRaw(cleanup, port, LAST)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    { name: "a TLS hello", bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" },
    { name: "zeros", bytes: "\0".repeat(300) },
    { name: "an HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  ])("is refused for $name, and others are served", async ({ bytes }) => {
    const { port } = await start();
    expect(await sendRaw(cleanup, port, bytes)).toMatch(/^HTTP\/1\.1 (?:400|408|501|505) /);
    expect(await sendRaw(cleanup, port, LAST)).toContain("served GET /last");
  });
});
