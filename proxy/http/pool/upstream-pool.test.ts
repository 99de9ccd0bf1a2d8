import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { ABANDONED } from "../../messages/abort-reason.ts";
import { MAX_IDLE_PER_ENDPOINT } from "../http-limits.ts";
import type { TakenUpstream } from "./upstream-pool.ts";
import { address, createSink, EDITS, IDLE_MS, PoolWorld, requestHead } from "./upstream-pool-fixture.ts";

const GET = requestHead();

describe("a kept connection", () => {
  it("is available for the next request once its own has finished, not before", async () => {
    const world = new PoolWorld();
    const first = await world.take();
    expect(first.stream.isReused).toBe(false);
    expect(world.pool.take(GET, undefined)).toBeUndefined();
    world.pool.release(first);
    const second = world.pool.take(GET, undefined);
    expect(second?.connection).toBe(first.connection);
    expect(second?.stream.isReused).toBe(true);
    expect(world.dials).toEqual([1]);
  });

  it("is the last used one, so that the others may reach the idle timeout", async () => {
    const world = new PoolWorld();
    const [first, second] = await world.takeMany(2);
    if (first === undefined || second === undefined) throw new Error("no connections");
    world.pool.release(second);
    world.pool.release(first);
    expect(world.pool.take(GET, undefined)?.connection).toBe(first.connection);
    expect(world.pool.take(GET, undefined)?.connection).toBe(second.connection);
  });

  it("is closed instead of kept when all pools together are at their limit", async () => {
    const world = new PoolWorld({ maxIdle: 2 });
    const [first, second, third] = await world.takeMany(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error("no connections");
    for (const taken of [first, second, third]) world.pool.release(taken);
    expect(world.open).toBe(2);
    world.pool.closeIdle();
    for (const taken of await world.takeMany(2)) world.pool.release(taken);
    expect(world.open).toBe(2);
  });

  it("that was idle too long is closed without a reset, and no deadline is left", async () => {
    const world = new PoolWorld();
    const busy = await world.take();
    world.pool.release(await world.take());
    await world.clock.advance(IDLE_MS - 1);
    expect(world.open).toBe(2);
    await world.clock.advance(1000);
    expect([world.open, world.pool.size]).toEqual([1, 1]);
    expect(world.sockets.map(({ wasReset }) => wasReset)).toEqual([false, false]);
    world.pool.release(busy);
    await world.clock.advance(IDLE_MS + 1000);
    expect([world.open, world.pool.size, world.deadlines.size]).toEqual([0, 0, 0]);
  });

  it("that is reused restarts its idle timeout", async () => {
    const world = new PoolWorld();
    world.pool.release(await world.take());
    for (let round = 0; round < 5; round += 1) {
      await world.clock.advance(IDLE_MS * 0.8);
      world.pool.release(await world.take());
    }
    expect(world.dials).toHaveLength(1);
  });

  it("is closed before the server's announced timeout", async () => {
    const world = new PoolWorld();
    const taken = await world.take();
    taken.stream.sendHead(createSink(), GET, EDITS);
    world.sockets[0]?.push("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n");
    await settlePromises();
    world.pool.release(taken);
    await world.clock.advance(3400);
    expect(world.open).toBe(1);
    await world.clock.advance(1200);
    expect(world.open).toBe(0);
  });

  it.each([
    { name: "the server ends it", end: (world: PoolWorld) => void world.sockets[0]?.push(null) },
    { name: "it breaks", end: (world: PoolWorld) => void world.sockets[0]?.destroy() },
    {
      name: "the server sends unsolicited bytes",
      end: (world: PoolWorld) => void world.sockets[0]?.push("HTTP/1.1 200 OK"),
    },
  ])("is forgotten when $name", async ({ end }) => {
    const world = new PoolWorld();
    const taken = await world.take();
    world.pool.release(taken);
    end(world);
    await settlePromises();
    expect(taken.endpoint.available).toEqual([]);
    expect([world.pool.size, world.open, world.timesEmpty, world.deadlines.size]).toEqual([0, 0, 1, 0]);
    expect(world.pool.take(GET, undefined)).toBeUndefined();
  });

  it.each([
    {
      name: "announces that it will close",
      answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    },
    { name: "speaks HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { name: "closes at once", answer: "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n" },
  ])("is not kept if the server $name", async ({ answer }) => {
    const world = new PoolWorld();
    const taken = await world.take();
    taken.stream.sendHead(createSink(), GET, EDITS);
    world.sockets[0]?.push(answer);
    await settlePromises();
    world.pool.release(taken);
    expect([world.open, world.pool.size]).toEqual([0, 0]);
  });

  it("is one of a limited number", async () => {
    const world = new PoolWorld();
    const taken = await world.takeMany(MAX_IDLE_PER_ENDPOINT + 5);
    for (const one of taken) world.pool.release(one);
    expect(world.open).toBe(MAX_IDLE_PER_ENDPOINT);
    expect(world.pool.active).toBe(0);
  });

  it("may have been dialled elsewhere", async () => {
    const world = new PoolWorld();
    const dialed = world.connect(address(1));
    world.pool.adoptIdle(dialed, address(1));
    expect([world.pool.size, world.pool.active]).toEqual([1, 0]);
    expect(world.pool.take(GET, undefined)?.connection.dialed).toBe(dialed);
    expect(world.dials).toEqual([]);
  });
});

describe("after a new certificate", () => {
  it("no request goes over a connection that was made with the old one", async () => {
    const world = new PoolWorld();
    for (const taken of await world.takeMany(3)) world.pool.release(taken);
    world.generation += 1;
    const taken = await world.take();
    expect(world.dials).toHaveLength(4);
    expect(taken.connection.dialed.isCurrent()).toBe(true);
    expect(world.sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, true, false]);
  });

  it("idle connections close at once, a busy one when its request has finished", async () => {
    const world = new PoolWorld();
    const busy = await world.take();
    world.pool.release(await world.take());
    world.generation += 1;
    world.pool.closeStale();
    expect(world.sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
    world.pool.release(busy);
    expect([world.open, world.pool.size, world.timesEmpty]).toEqual([0, 0, 1]);
    expect(world.sockets.some(({ wasReset }) => wasReset)).toBe(false);
  });

  it("connections made with it stay", async () => {
    const world = new PoolWorld();
    const old = await world.take();
    world.generation += 1;
    const fresh = await world.take();
    world.pool.release(fresh);
    world.pool.release(old);
    world.pool.closeStale();
    expect(world.sockets.map(({ destroyed }) => destroyed)).toEqual([true, false]);
    expect(world.pool.take(GET, undefined)?.connection).toBe(fresh.connection);
  });
});

describe("a finished request", () => {
  it.each([
    { name: "well", end: ({ pool }: PoolWorld, taken: TakenUpstream) => pool.release(taken), isReset: false, size: 1 },
    {
      name: "badly",
      end: ({ pool }: PoolWorld, taken: TakenUpstream) => pool.discard(taken, ABANDONED),
      isReset: true,
      size: 0,
    },
  ])("$name no longer counts", async ({ end, isReset, size }) => {
    const world = new PoolWorld();
    const taken = await world.take();
    expect([world.pool.active, world.pool.size]).toEqual([1, 1]);
    end(world, taken);
    expect([world.pool.active, world.pool.size, world.sockets[0]?.wasReset]).toEqual([0, size, isReset]);
    expect(world.timesEmpty).toBe(1 - size);
  });

  it("with a tunnel leaves its connection to the tunnel", async () => {
    const world = new PoolWorld();
    const taken = await world.take();
    const tunnel = taken.stream.detach();
    world.pool.detach(taken);
    expect([world.pool.active, world.pool.size, world.deadlines.size]).toEqual([0, 0, 0]);
    world.pool.closeIdle();
    await world.clock.advance(IDLE_MS * 2);
    expect(tunnel?.destroyed).toBe(false);
  });

  it("while the proxy closes leaves no connection behind", async () => {
    const world = new PoolWorld();
    const [busy, idle] = await world.takeMany(2);
    if (busy === undefined || idle === undefined) throw new Error("no connections");
    world.pool.release(idle);
    world.closing.abort();
    world.pool.closeIdle();
    expect(world.open).toBe(1);
    world.pool.release(busy);
    expect([world.open, world.pool.size]).toEqual([0, 0]);
  });
});
