import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { ABANDONED } from "../../messages/abort-reason.ts";
import { startSharedWorld } from "./shared-connection-fixture.ts";
import type { TakenUpstream } from "./upstream-pool.ts";
import { address, FAILURES, IDLE_MS, requestHead } from "./upstream-pool-fixture.ts";

const GET = requestHead();

describe("a connection of several streams", () => {
  it("takes requests until it is full, then another one is dialled", async () => {
    const { world } = startSharedWorld(2);
    const taken: TakenUpstream[] = [];
    for (let request = 0; request < 5; request += 1) taken.push(await world.take());
    expect(world.dials).toHaveLength(3);
    expect(new Set(taken.map(({ connection }) => connection)).size).toBe(3);
    expect(world.pool.active).toBe(5);
  });

  it("that was full takes requests again when one has ended, well or badly", async () => {
    const { world, pool } = startSharedWorld(2);
    const [one, other] = [await world.take(), await world.take()];
    pool.release(one);
    const next = pool.take(GET, undefined);
    expect(next?.connection).toBe(one.connection);
    pool.discard(other, ABANDONED);
    expect(pool.take(GET, undefined)?.connection).toBe(one.connection);
    expect([world.dials.length, pool.active]).toEqual([1, 2]);
  });

  it("goes on when one of its requests is aborted, which gets the reason", async () => {
    const { world, connections, pool } = startSharedWorld(10);
    const [one] = [await world.take(), await world.take()];
    pool.discard(one, { kind: "time_limit", limit: "route" });
    expect(connections).toMatchObject([{ isClosed: false, streams: 1, aborted: [{ kind: "time_limit" }] }]);
  });

  it("is idle, and closed after the idle timeout, only without any request", async () => {
    const { world, connections, pool } = startSharedWorld(10);
    const [one, other] = [await world.take(), await world.take()];
    pool.release(one);
    await world.clock.advance(IDLE_MS * 3);
    expect(connections[0]?.isClosed).toBe(false);
    pool.release(other);
    await world.clock.advance(IDLE_MS * 0.5);
    expect(connections[0]?.isClosed).toBe(false);
    await world.clock.advance(IDLE_MS);
    expect([connections[0]?.isClosed, pool.size, world.deadlines.size]).toEqual([true, 0, 0]);
  });

  it("is counted once among the idle ones, however many requests it had", async () => {
    const { world, connections, pool } = startSharedWorld(10, { maxIdle: 1 });
    for (let round = 0; round < 3; round += 1) {
      const taken = [await world.take(), await world.take(), await world.take()];
      for (const one of taken) pool.release(one);
    }
    expect(connections).toMatchObject([{ isClosed: false }]);
    connections[0]?.close();
    pool.release(await world.take());
    expect(connections).toMatchObject([{ isClosed: true }, { isClosed: false }]);
  });

  it("that would not be dialled the same way now gets no new request, and is closed after its last", async () => {
    const { world, connections, pool } = startSharedWorld(10);
    const [one, other] = [await world.take(), await world.take()];
    world.generation += 1;
    expect((await world.take()).connection).not.toBe(one.connection);
    pool.release(one);
    expect(connections[0]?.isClosed).toBe(false);
    pool.release(other);
    expect(connections).toMatchObject([{ isClosed: true }, { isClosed: false }]);
  });

  it("whose server announces its end is closed after its last request", async () => {
    const { world, connections, pool } = startSharedWorld(10);
    const [one, other] = [await world.take(), await world.take()];
    const [connection] = connections;
    if (connection === undefined) throw new Error("no connection");
    connection.isEnding = true;
    pool.release(one);
    expect((await world.take()).connection).toBe(connections[1]);
    expect(connection.isClosed).toBe(false);
    pool.release(other);
    expect(connection.isClosed).toBe(true);
  });

  it("that ends leaves nothing behind, with requests in progress", async () => {
    const { world, connections, pool } = startSharedWorld(10);
    const taken = [await world.take(), await world.take()];
    connections[0]?.close();
    for (const one of taken) pool.discard(one, ABANDONED);
    expect([pool.size, pool.active, world.deadlines.size, world.timesEmpty]).toEqual([0, 0, 0, 1]);
    expect(pool.take(GET, undefined)).toBeUndefined();
    expect((await world.take()).endpoint.ip).toBe(address(1).ip);
  });
});

describe("requests that wait for a shared connection", () => {
  it("wait for one, however many they are", async () => {
    const { world, pool } = startSharedWorld(100);
    const taken = await world.takeMany(50);
    expect(world.dials).toHaveLength(1);
    expect(new Set(taken.map(({ connection }) => connection)).size).toBe(1);
    expect(pool.active).toBe(50);
  });

  it("that do not all fit on it wait for another one", async () => {
    const { world, connections } = startSharedWorld(20);
    await world.takeMany(50);
    expect(connections.map(({ streams }) => streams)).toEqual([20, 15, 15]);
  });

  it("get a connection each from a server that takes one stream on each", async () => {
    const { world, connections } = startSharedWorld(1);
    await world.takeMany(40);
    expect(connections.map(({ streams }) => streams)).toEqual(Array(40).fill(1));
  });

  it("are turned away as overflow when connection after connection takes no stream", async () => {
    const { world } = startSharedWorld(0);
    await expect(world.take()).rejects.toThrow("takes no more streams");
    expect(world.dials).toHaveLength(8);
  });

  it("fail together and count as one failed connect", async () => {
    const { world, pool } = startSharedWorld(100, { endpoints: 2 });
    world.broken.set(1, FAILURES.connect);
    const taken = await world.takeMany(20);
    expect(taken.map(({ endpoint }) => endpoint.ip)).toEqual(Array(20).fill("10.0.0.2"));
    expect(world.dials.toSorted()).toEqual([1, 2]);
    expect(pool.active).toBe(20);
  });

  it("go on when the one for which it was dialled has gone, and the dial ends when all have", async () => {
    const { world, pool } = startSharedWorld(100);
    const signals: AbortSignal[] = [];
    let finish = (): void => undefined;
    world.hold = async (signal) => {
      signals.push(signal);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    };
    const [one, other] = [new AbortController(), new AbortController()];
    const first = pool.dial(GET, new Set(), one.signal);
    const second = pool.dial(GET, new Set(), other.signal);
    one.abort();
    expect(await first).toMatchObject({ kind: "failed" });
    expect([signals.length, signals[0]?.aborted, pool.active]).toEqual([1, false, 1]);
    other.abort();
    expect(await second).toMatchObject({ kind: "failed" });
    expect([signals[0]?.aborted, pool.active]).toEqual([true, 0]);
    finish();
  });

  it("that were all cancelled take no later request down with them", async () => {
    const { world, pool } = startSharedWorld(100);
    const ended = Promise.withResolvers<void>();
    world.hold = () => ended.promise;
    const gone = new AbortController();
    const first = pool.dial(GET, new Set(), gone.signal);
    gone.abort();
    await first;
    world.hold = () => Promise.resolve();
    const next = pool.dial(GET, new Set(), new AbortController().signal);
    expect(world.dials).toHaveLength(2);
    expect(await next).toMatchObject({ kind: "taken" });
    ended.resolve();
  });

  it("whose connection nobody takes any more leave it as an idle one", async () => {
    const { world, connections, pool } = startSharedWorld(100);
    const gone = new AbortController();
    const dialled = pool.dial(GET, new Set(), gone.signal);
    gone.abort();
    await dialled;
    await world.clock.advance(IDLE_MS * 2);
    expect([connections.every(({ isClosed }) => isClosed), pool.size, world.deadlines.size]).toEqual([true, 0, 0]);
  });
});

describe("a busy endpoint", () => {
  it("gets another connection at 64 streams, at most four, and the least loaded is taken", async () => {
    const { world, connections } = startSharedWorld(1000);
    for (let request = 0; request < 400; request += 1) await world.take();
    expect(connections).toHaveLength(4);
    const loads = connections.map(({ streams }) => streams).toSorted((one, other) => one - other);
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
  });

  it("gets another connection when the server reads slowly", async () => {
    const { world, connections } = startSharedWorld(1000);
    await world.take();
    const [first] = connections;
    if (first === undefined) throw new Error("no connection");
    first.isCongested = true;
    await world.take();
    await settlePromises();
    await world.take();
    expect(connections.map(({ streams }) => streams)).toEqual([2, 1]);
  });

  it("that does not speak HTTP/2 is asked once, and then gets HTTP/1.1 for a minute", async () => {
    const { world, pool } = startSharedWorld(1000);
    world.speaks = "http1";
    const taken = await world.takeMany(3);
    expect(taken.map(({ connection }) => connection.dialed.protocol)).toEqual(["http1", "http1", "http1"]);
    expect([world.wanted.filter((wanted) => wanted === "http2").length, world.dials.length]).toEqual([1, 3]);
    for (const one of taken) pool.release(one);
    await world.take();
    expect(world.dials).toHaveLength(3);
    world.speaks = "http2";
    await world.clock.advance(61_000);
    expect((await world.take()).connection.dialed.protocol).toBe("http2");
  });
});

describe("the limit of requests", () => {
  it("is that of all endpoints together", async () => {
    const { world, pool } = startSharedWorld(10, { endpoints: 3 });
    world.settings = { httpVersion: "2", maxRequests: 4 };
    await world.takeMany(3);
    expect(pool.isFull).toBe(false);
    const last = await world.take();
    expect(pool.isFull).toBe(true);
    pool.release(last);
    expect(pool.isFull).toBe(false);
  });
});
