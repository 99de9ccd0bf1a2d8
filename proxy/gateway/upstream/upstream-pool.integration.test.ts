import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../../net/raw-client-fixture.ts";
import { formatRequest, startLenientGateway, startTestGateway } from "../gateway-fixture.ts";
import type { GatewayOptions } from "../gateway-options.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOST = "Host: shop.example\r\n";
const LAST = `GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

async function start(reply: Reply = OK_REPLY, options: Partial<GatewayOptions> = {}) {
  return await startLenientGateway(cleanup, { reply, ...options });
}

const CLOSE = "Connection: close\r\n";

describe("a kept connection", () => {
  it("that the server closed in between does not fail a repeatable request", async () => {
    const { port, dialer, upstream } = await start((sent, socket) => {
      if (sent.line.includes("/dies")) socket.destroy();
      return OK_REPLY(sent, socket);
    });
    await sendRaw(cleanup, port, formatRequest("/first", { headers: CLOSE }));
    const answer = await sendRaw(cleanup, port, formatRequest("/dies", { headers: CLOSE }));
    expect(answer).toMatch(/^HTTP\/1\.1 502 /);
    // Once on the reused connection, once on a fresh one.
    expect(upstream.executed.filter(({ line }) => line.includes("/dies"))).toHaveLength(2);
    expect(dialer.dials).toHaveLength(2);
  });

  it("never repeats a non-idempotent request", async () => {
    const { port, upstream } = await start((sent, socket) => {
      if (sent.line.includes("/dies")) socket.destroy();
      return OK_REPLY(sent, socket);
    });
    await sendRaw(cleanup, port, formatRequest("/first", { headers: CLOSE }));
    const post = formatRequest("/dies", { method: "POST", headers: `Content-Length: 0\r\n${CLOSE}` });
    expect(await sendRaw(cleanup, port, post)).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.executed.filter(({ line }) => line.includes("/dies"))).toHaveLength(1);
  });

  it("with an unsolicited response is closed", async () => {
    const { port, upstream, dialer } = await start((sent, socket) => {
      setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"), 20);
      return OK_REPLY(sent, socket);
    });
    const closed = upstream.next("closed");
    await sendRaw(cleanup, port, formatRequest("/1", { headers: CLOSE }));
    await closed;
    expect(await sendRaw(cleanup, port, formatRequest("/2", { headers: CLOSE }))).toContain("served GET /2");
    expect(dialer.dials).toHaveLength(2);
  });

  it("that receives two responses at once is not reused", async () => {
    const { port, dialer } = await start(
      (...args) => `${OK_REPLY(...args)}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged`,
    );
    await sendRaw(cleanup, port, formatRequest("/1", { headers: CLOSE }));
    expect(await sendRaw(cleanup, port, formatRequest("/2", { headers: CLOSE }))).not.toContain("forged");
    expect(dialer.dials).toHaveLength(2);
  });

  it("that the server half-closes is closed", async () => {
    const { port, dialer, upstream } = await start((sent, socket) => {
      setTimeout(() => socket.end(), 20);
      return OK_REPLY(sent, socket);
    });
    const closed = upstream.next("closed");
    await sendRaw(cleanup, port, formatRequest("/1", { headers: CLOSE }));
    await closed;
    expect(await sendRaw(cleanup, port, formatRequest("/2", { headers: CLOSE }))).toContain("served GET /2");
    expect(dialer.dials).toHaveLength(2);
  });

  it("that is idle too long is closed", async () => {
    const { port, upstream } = await start(OK_REPLY, { pool: { idleMs: 60 } });
    const closed = upstream.next("closed");
    await sendRaw(cleanup, port, formatRequest("/1", { headers: CLOSE }));
    await closed;
    expect(upstream.connections).toBe(0);
  });

  it("of an older certificate is closed at once when idle, and after its request when busy", async () => {
    let answerSlow: () => void = () => undefined;
    const { port, upstream, dialer, gateway } = await start((sent, socket) => {
      if (!sent.line.includes("/slow")) return OK_REPLY(sent, socket);
      answerSlow = () => socket.write(OK_REPLY(sent, socket) ?? "");
      return undefined;
    });
    const arrived = upstream.next("request");
    const slow = sendRaw(cleanup, port, formatRequest("/slow", { headers: CLOSE }));
    await arrived;
    await sendRaw(cleanup, port, formatRequest("/idle", { headers: CLOSE }));
    expect(upstream.connections).toBe(2);
    dialer.rotate();
    gateway.closeStaleUpstreams();
    await expect.poll(() => upstream.connections).toBe(1);
    answerSlow();
    expect(await slow).toContain("served GET /slow");
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("is closed with the last route that names its service", async () => {
    const { port, upstream, setConfig } = await start();
    await sendRaw(cleanup, port, formatRequest("/1", { headers: CLOSE }));
    expect(upstream.connections).toBe(1);
    await setConfig([]);
    await expect.poll(() => upstream.connections).toBe(0);
  });
});

describe("the gateway's requests", () => {
  it("leave no listener behind on the connection that they share", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    cleanup.add(() => void process.off("warning", onWarning));
    const { port, dialer } = await start();
    const client = await dialRaw(cleanup, port);
    for (let index = 0; index < 20; index += 1) {
      client.write(`GET /${index} HTTP/1.1\r\n${HOST}\r\n`);
      await readUntil(client, `served GET /${index} `);
    }
    expect(dialer.dials).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it("release everything: no connection is left after many good and bad ones", async () => {
    const { port, upstream, gateway } = await start((sent, socket) => {
      if (sent.line.includes("/dies")) socket.destroy();
      return sent.line.includes("/silent") ? undefined : OK_REPLY(sent, socket);
    });
    const one = async (index: number): Promise<void> => {
      const path = ["/ok", "/dies", "/silent"][index % 3] ?? "/ok";
      const client = await dialRaw(cleanup, port);
      client.write(formatRequest(path));
      if (path === "/silent") await upstream.next("request");
      else await readUntil(client, "HTTP/1.1 ");
      client.destroy();
    };
    for (let round = 0; round < 10; round += 1) await Promise.all(Array.from({ length: 12 }, (_, index) => one(index)));
    await gateway.stop();
    await expect.poll(() => upstream.connections).toBe(0);
    expect(gateway.listeners()).toEqual([]);
  });
});

describe("a client that disconnects", () => {
  it.each([
    { name: "while it waits for the response", request: `GET /a HTTP/1.1\r\n${HOST}\r\n`, reply: () => undefined },
    {
      name: "in the middle of the response",
      request: `GET /a HTTP/1.1\r\n${HOST}\r\n`,
      reply: () => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    },
  ])("$name also closes its upstream's connection", async ({ request, reply }) => {
    const upstream = await startLenientUpstream(cleanup, reply);
    const { port } = await startTestGateway(cleanup, upstream.port);
    const client = await dialRaw(cleanup, port);
    const arrived = upstream.next("request");
    client.write(request);
    await arrived;
    const closed = upstream.next("closed");
    client.resetAndDestroy();
    await closed;
    expect(upstream.connections).toBe(0);
  });

  it("in the middle of its own body also closes its upstream's connection", async () => {
    const { port, upstream } = await start();
    const client = await dialRaw(cleanup, port);
    const connected = upstream.next("connection");
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nhalf`);
    await connected;
    const closed = upstream.next("closed");
    client.destroy();
    await closed;
    expect(upstream.connections).toBe(0);
    expect(upstream.executed).toEqual([]);
  });

  it("while the upstream is dialled leaves a reusable connection, not a leaked one", async () => {
    const { port, upstream, dialer, gateway } = await start();
    let release: () => void = () => undefined;
    dialer.hold = new Promise((resolve) => {
      release = resolve;
    });
    const client = await dialRaw(cleanup, port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => dialer.dials.length).toBe(1);
    client.resetAndDestroy();
    await expect.poll(() => gateway.listeners()[0]?.connections).toBe(0);
    const connected = upstream.next("connection");
    release();
    await connected;
    expect(await sendRaw(cleanup, port, LAST)).toContain("served GET /last");
    expect(dialer.dials).toHaveLength(1);
  });
});
