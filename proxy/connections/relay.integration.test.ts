import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { type FreedMemory, poisonFreedMemory } from "./memory/read-memory-fixture.ts";
import { type Relay, relay } from "./relay.ts";
import { endOf } from "./relay-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

let freed: FreedMemory;
beforeAll(() => {
  freed = poisonFreedMemory();
});
afterAll(() => freed.restore());

const HALF_OPEN_MS = 60_000;
const MEGABYTE = 1024 ** 2;

/** Two ends of a TCP connection; the second is paused, as an accepted connection is. */
async function connectPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const client = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
  const [accepted]: Socket[] = await once(server, "connection");
  if (accepted === undefined) throw new Error("no connection");
  if (client.connecting) await once(client, "connect");
  server.close();
  for (const socket of [client, accepted]) {
    socket.on("error", () => undefined);
    cleanup.addSocket(socket);
  }
  return [client, accepted];
}

interface World {
  readonly client: Socket;
  readonly server: Socket;
  readonly downstream: Socket;
  readonly upstream: Socket;
  readonly relayed: Relay;
}

async function start(clock: Clock = systemClock): Promise<World> {
  const [client, downstream] = await connectPair();
  const [upstream, server] = await connectPair();
  const relayed = relay({ downstream, upstream }, { clock, halfOpenIdleMs: HALF_OPEN_MS });
  return { client, server, downstream, upstream, relayed };
}

/** Everything that a socket receives until its peer's FIN. */
async function readToEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error that a socket is destroyed with. */
async function errorOf(socket: Socket): Promise<unknown> {
  const failed = new Promise((resolve) => socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
  socket.resume();
  return failed;
}

describe("a relayed connection", () => {
  it("carries a megabyte in both directions at once, complete, and closes cleanly", async () => {
    const { client, server, relayed } = await start();
    const [up, down] = [randomBytes(MEGABYTE), randomBytes(MEGABYTE)];
    client.end(up);
    server.end(down);
    const [atServer, atClient] = await Promise.all([readToEnd(server), readToEnd(client)]);
    expect([atServer.equals(up), atClient.equals(down)]).toEqual([true, true]);
    expect(await endOf(relayed)).toBe("closed");
    expect(freed.bytes).toBeGreaterThan(MEGABYTE);
  });

  it("continues in the other direction when one has ended", async () => {
    const { client, server, relayed } = await start();
    client.end("question");
    expect(String(await readToEnd(server))).toBe("question");
    server.write("sent in ");
    server.end("two parts");
    expect(String(await readToEnd(client))).toBe("sent in two parts");
    expect(await endOf(relayed)).toBe("closed");
  });

  it.each([
    { who: "client", end: "reset_by_downstream" },
    { who: "server", end: "reset_by_upstream" },
  ] as const)("is reset on the other side when the $who resets it, never closed with a FIN", async ({ who, end }) => {
    const world = await start();
    const [resets, sees] = who === "client" ? [world.client, world.server] : [world.server, world.client];
    const seen = errorOf(sees);
    resets.write("a part");
    await once(sees, "data");
    resets.resetAndDestroy();
    expect(await seen).toBe("ECONNRESET");
    expect(await endOf(world.relayed)).toBe(end);
  });

  it("is cut on both sides when the proxy cuts it, once", async () => {
    const { client, server, relayed } = await start();
    const errors = Promise.all([errorOf(client), errorOf(server)]);
    relayed.cut();
    relayed.cut();
    expect(await errors).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(await endOf(relayed)).toBe("closed_by_proxy");
  });

  it("passes on that a side had ended before", async () => {
    const [client, downstream] = await connectPair();
    const [upstream, server] = await connectPair();
    client.end();
    downstream.resume();
    await once(downstream, "end");
    const relayed = relay({ downstream, upstream }, { clock: systemClock, halfOpenIdleMs: HALF_OPEN_MS });
    expect(String(await readToEnd(server))).toBe("");
    server.end("still read");
    expect(String(await readToEnd(client))).toBe("still read");
    expect(await endOf(relayed)).toBe("closed");
  });

  it("whose client has disconnected before it begins is reset at the server", async () => {
    const [, downstream] = await connectPair();
    const [upstream, server] = await connectPair();
    const seen = errorOf(server);
    downstream.destroy();
    const relayed = relay({ downstream, upstream }, { clock: systemClock, halfOpenIdleMs: HALF_OPEN_MS });
    expect(await endOf(relayed)).toBe("reset_by_downstream");
    expect(await seen).toBe("ECONNRESET");
  });

  it("does not read more than its slow reader accepts", async () => {
    const { client, server, upstream } = await start();
    const chunk = randomBytes(MEGABYTE);
    const writeOn = (): void => {
      while (server.bytesWritten < 64 * MEGABYTE && server.write(chunk));
    };
    server.on("drain", writeOn);
    writeOn();
    await untilStill(() => upstream.bytesRead);
    expect(upstream.bytesRead).toBeLessThan(32 * MEGABYTE);
    const sums = [createHash("sha256"), createHash("sha256")] as const;
    for (let sent = 0; sent < 64; sent += 1) sums[0].update(chunk);
    client.on("data", (part: Buffer) => sums[1].update(part));
    await expect.poll(() => client.bytesRead, POLL).toBeGreaterThanOrEqual(64 * MEGABYTE);
    expect(sums[1].digest("hex")).toBe(sums[0].digest("hex"));
  });
});

const POLL = { interval: 100 };

/** Waits until a number is stable: the buffers of all sockets are full. */
async function untilStill(read: () => number): Promise<void> {
  let before = -1;
  const isStill = (): boolean => {
    const now = read();
    const isSame = now === before;
    before = now;
    return isSame;
  };
  await expect.poll(isStill, POLL).toBe(true);
}

describe("a connection that is closed in one direction", () => {
  it("is cut when the other is idle for too long", async () => {
    const clock = new FakeClock();
    const { client, server, relayed } = await start(clock);
    client.end();
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await clock.advance(HALF_OPEN_MS);
    expect(await endOf(relayed)).toBe("idle_half_open");
    // A socket that has read the peer's FIN learns of the reset when it writes.
    const seen = errorOf(server);
    server.write("late");
    expect(["ECONNRESET", "EPIPE"]).toContain(await seen);
  });

  it("stays open as long as bytes move", async () => {
    const clock = new FakeClock();
    const { client, server, upstream, relayed } = await start(clock);
    client.end();
    await expect.poll(() => clock.pendingTimers).toBe(1);
    for (let time = 1; time <= 5; time += 1) {
      server.write("still here");
      await once(client, "data");
      await clock.advance(HALF_OPEN_MS);
      expect(upstream.destroyed).toBe(false);
    }
    server.end();
    expect(await endOf(relayed)).toBe("closed");
    expect(clock.pendingTimers).toBe(0);
  });
});
