import { describe, expect, it } from "vitest";
import { MAX_SHARED_CONTENT, SHARED_FROM } from "./decide-hop-version.ts";
import { address, PoolWorld } from "./upstream-pool-fixture.ts";

const SMALL_BYTES = 200;

function startAdaptiveWorld(): PoolWorld {
  const world = new PoolWorld();
  world.endpoints = [{ ...address(1), mutualTls: true }];
  world.settings = { httpVersion: "adaptive" };
  return world;
}

/** Begins and ends that many requests at once, as a read of many sockets does. */
async function serve(world: PoolWorld, requests: number, responseBytes = SMALL_BYTES): Promise<void> {
  for (const taken of await world.takeMany(requests)) {
    taken.endpoint.traffic.noteResponse(responseBytes);
    world.pool.release(taken);
  }
}

async function protocolOfNext(world: PoolWorld): Promise<string> {
  const taken = await world.take();
  world.pool.release(taken);
  return taken.connection.dialed.protocol;
}

describe("a request of HTTP/1.1 to an adaptive endpoint", () => {
  it("shares an HTTP/2 connection if many are in progress in the mean, even when it is alone just now", async () => {
    const world = startAdaptiveWorld();
    for (let round = 0; round < 20; round += 1) await serve(world, 4 * SHARED_FROM);
    expect(world.pool.active).toBe(0);
    expect(await protocolOfNext(world)).toBe("http2");
  });

  it("has a connection of its own as long as few are in progress, even after one burst", async () => {
    const world = startAdaptiveWorld();
    for (let round = 0; round < 100; round += 1) await serve(world, SHARED_FROM);
    await serve(world, 2 * SHARED_FROM);
    expect(await protocolOfNext(world)).toBe("http1");
    expect(new Set(world.wanted)).toEqual(new Set(["http1"]));
  });

  it("has a connection of its own again when few are in progress", async () => {
    const world = startAdaptiveWorld();
    for (let round = 0; round < 20; round += 1) await serve(world, 4 * SHARED_FROM);
    for (let round = 0; round < 100; round += 1) await serve(world, 1);
    expect(await protocolOfNext(world)).toBe("http1");
  });

  it("has a connection of its own while the responses are large, however many are in progress", async () => {
    const world = startAdaptiveWorld();
    for (let round = 0; round < 20; round += 1) await serve(world, 4 * SHARED_FROM, 4 * MAX_SHARED_CONTENT);
    expect(await protocolOfNext(world)).toBe("http1");
    for (let round = 0; round < 20; round += 1) await serve(world, 4 * SHARED_FROM);
    expect(await protocolOfNext(world)).toBe("http2");
  });
});
