import { describe, expect, it } from "vitest";
import { ABANDONED } from "../../messages/abort-reason.ts";
import { address, FAILURES, PoolWorld, requestHead } from "./upstream-pool-fixture.ts";

const GET = requestHead();

function never(): AbortSignal {
  return new AbortController().signal;
}

describe("requests", () => {
  it("go to the endpoint with the fewest requests in progress", async () => {
    const world = new PoolWorld({ endpoints: 3 });
    const taken = await world.takeMany(6);
    expect(world.dials.toSorted()).toEqual([1, 1, 2, 2, 3, 3]);
    for (const one of taken.filter(({ endpoint }) => endpoint.ip === "10.0.0.2")) world.pool.release(one);
    expect((await world.take()).endpoint.ip).toBe("10.0.0.2");
    expect(world.dials).toHaveLength(6);
  });

  it("do not go to endpoints that already failed", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    expect((await world.take(new Set(["10.0.0.1:80"]))).endpoint.ip).toBe("10.0.0.2");
  });

  it("without an endpoint fail with the destination's description", async () => {
    const { pool } = new PoolWorld({ endpoints: 0 });
    expect(pool.take(GET, undefined)).toBeUndefined();
    expect(await pool.dial(GET, new Set(), never())).toEqual({
      kind: "failed",
      cause: "no_healthy_endpoint",
      message: "world has no ready endpoint",
    });
  });
});

describe("an endpoint that cannot be dialled", () => {
  it.each([FAILURES.connect, FAILURES.tls])("is replaced by another: $cause", async (failure) => {
    const world = new PoolWorld({ endpoints: 2 });
    world.broken.set(1, failure);
    const tried = new Set<string>();
    expect((await world.take(tried)).endpoint.ip).toBe("10.0.0.2");
    expect(world.dials).toEqual([1, 2]);
    expect([...tried]).toEqual(["10.0.0.1:80"]);
    expect(world.pool.active).toBe(1);
  });

  it("is avoided for longer each time, and only while it is broken", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    world.deadlines.add({ checkDeadline: () => undefined });
    world.broken.set(1, FAILURES.connect);
    const waits: number[] = [];
    for (let failures = 1; failures <= 3; failures += 1) {
      world.pool.discard(await world.take(), ABANDONED);
      const sinceMs = world.clock.now();
      const before = world.dials.filter((number) => number === 1).length;
      while (world.dials.filter((number) => number === 1).length === before) {
        await world.clock.advance(500);
        if (world.clock.now() - sinceMs > 60_000) throw new Error("it is avoided for ever");
        if (failures === 3) world.broken.clear();
        world.pool.discard(await world.take(), ABANDONED);
      }
      waits.push(world.clock.now() - sinceMs);
    }
    expect(waits).toEqual([1000, 2000, 4000]);
    world.dials.length = 0;
    world.pool.discard(await world.take(), ABANDONED);
    expect(world.dials).toEqual([1]);
  });

  it("has a clean record after a successful connect", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    world.deadlines.add({ checkDeadline: () => undefined });
    for (const isBroken of [true, true, false, true]) {
      if (isBroken) world.broken.set(1, FAILURES.connect);
      else world.broken.clear();
      await world.pool.dial(GET, new Set(["10.0.0.2:80"]), never());
    }
    world.broken.clear();
    await world.clock.advance(1000);
    expect((await world.take(new Set())).endpoint.ip).toBe("10.0.0.2");
    expect((await world.take(new Set())).endpoint.ip).toBe("10.0.0.1");
  });

  it("is chosen like any other after a successful connect", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    world.broken.set(1, FAILURES.connect);
    await world.take();
    world.broken.clear();
    world.pool.discard(await world.take(new Set(["10.0.0.2:80"])), ABANDONED);
    expect((await world.take()).endpoint.ip).toBe("10.0.0.1");
  });

  it("is tried anyway when it is the only one", async () => {
    const world = new PoolWorld();
    world.broken.set(1, FAILURES.connect);
    expect(await world.pool.dial(GET, new Set(), never())).toBe(FAILURES.connect);
    world.broken.clear();
    expect((await world.take()).endpoint.ip).toBe("10.0.0.1");
  });

  it.each([
    { endpoints: 2, dials: [1, 2] },
    { endpoints: 5, dials: [1, 2, 3] },
  ])(
    "is one of $endpoints: at most three are tried, and the last one's failure is returned",
    async ({ endpoints, dials }) => {
      const world = new PoolWorld({ endpoints });
      for (let number = 1; number < dials.length; number += 1) world.broken.set(number, FAILURES.connect);
      for (let number = dials.length; number <= endpoints; number += 1) world.broken.set(number, FAILURES.tls);
      expect(await world.pool.dial(GET, new Set(), never())).toBe(FAILURES.tls);
      expect(world.dials).toEqual(dials);
      expect([world.pool.active, world.pool.size, world.deadlines.size]).toEqual([0, 0, 0]);
    },
  );
});

describe("a request that is aborted while its connection is dialled", () => {
  it("tries no other endpoint, and leaves nothing behind", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    const dialling = new AbortController();
    world.hold = () => Promise.resolve(dialling.abort());
    world.broken.set(1, FAILURES.connect);
    expect(await world.pool.dial(GET, new Set(), dialling.signal)).toBe(FAILURES.connect);
    expect(world.dials).toEqual([1]);
    expect([world.pool.active, world.pool.size]).toEqual([0, 0]);
  });

  it("does not count as a failure of its endpoint", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    const dialling = new AbortController();
    dialling.abort();
    world.broken.set(1, FAILURES.connect);
    await world.pool.dial(GET, new Set(), dialling.signal);
    world.broken.clear();
    expect((await world.take()).endpoint.ip).toBe("10.0.0.1");
  });

  it("leaves its completed connection for the next request", async () => {
    const world = new PoolWorld();
    const dialling = new AbortController();
    world.hold = () => Promise.resolve(dialling.abort());
    const taken = await world.pool.dial(GET, new Set(), dialling.signal);
    if (taken.kind === "failed") throw new Error(taken.message);
    world.pool.release(taken);
    expect(world.pool.take(GET, undefined)?.connection).toBe(taken.connection);
  });
});

describe("an endpoint that is no longer one", () => {
  it("loses its idle connections, and gets no request", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    for (const taken of await world.takeMany(2)) world.pool.release(taken);
    world.endpoints = [address(2)];
    for (let request = 0; request < 3; request += 1) expect((await world.take()).endpoint.ip).toBe("10.0.0.2");
    expect(world.sockets[0]?.destroyed).toBe(true);
    expect(world.pool.size).toBe(3);
  });

  it("finishes the request in progress", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    const [first] = await world.takeMany(2);
    world.endpoints = [address(2)];
    await world.take();
    expect(first?.connection.dialed.socket.destroyed).toBe(false);
    if (first !== undefined) world.pool.discard(first, ABANDONED);
    expect(world.pool.active).toBe(2);
  });

  it("keeps no connection whose request has ended since", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    const [first] = await world.takeMany(2);
    if (first === undefined) throw new Error("no connection");
    world.endpoints = [address(2)];
    await world.take();
    world.pool.release(first);
    expect(first.connection.dialed.socket.destroyed).toBe(true);
  });

  it("starts with a clean state when it returns, although it was busy when removed", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    const [first] = await world.takeMany(2);
    if (first === undefined) throw new Error("no connection");
    world.broken.set(1, FAILURES.connect);
    await world.pool.dial(GET, new Set(["10.0.0.2:80"]), never());
    world.endpoints = [address(2)];
    await world.take();
    world.pool.discard(first, ABANDONED);
    world.broken.clear();
    world.endpoints = [address(1), address(2)];
    expect((await world.take()).endpoint.ip).toBe("10.0.0.1");
  });

  it("starts with a clean state when it returns", async () => {
    const world = new PoolWorld({ endpoints: 2 });
    world.broken.set(1, FAILURES.connect);
    world.pool.discard(await world.take(), ABANDONED);
    world.endpoints = [address(2)];
    world.pool.discard(await world.take(), ABANDONED);
    world.broken.clear();
    world.endpoints = [address(1), address(2)];
    expect((await world.take()).endpoint.ip).toBe("10.0.0.1");
  });
});
