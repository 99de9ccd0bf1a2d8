import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ABANDONED } from "../../messages/abort-reason.ts";
import { startSharedWorld } from "./shared-connection-fixture.ts";
import type { TakenUpstream } from "./upstream-pool.ts";
import { address, PoolWorld } from "./upstream-pool-fixture.ts";

interface Run {
  readonly world: PoolWorld;
  /** Requests in progress, oldest first. */
  readonly taken: TakenUpstream[];
  /** How many requests share a connection at most. */
  readonly limit: number;
}

const STEPS = {
  take: async ({ world, taken, limit }) => {
    const one = await world.take();
    expect(one.connection.isReusable).toBe(true);
    expect(world.endpoints.map(({ ip }) => ip)).toContain(one.endpoint.ip);
    const sharing = taken.filter(({ connection }) => connection === one.connection).length;
    expect(sharing).toBeLessThan(limit);
    taken.push(one);
  },
  release: ({ world, taken }) => taken.splice(0, 1).forEach((one) => void world.pool.release(one)),
  discard: ({ world, taken }) => taken.splice(0, 1).forEach((one) => void world.pool.discard(one, ABANDONED)),
  rotate: ({ world }) => {
    world.generation += 1;
  },
  retire: ({ world }) => {
    world.endpoints = [...world.endpoints.slice(1), address(world.dials.length + 4)];
  },
  breaks: ({ world }) => world.sockets.at(-1)?.destroy(),
  wait: ({ world }) => world.clock.advance(3000),
} satisfies Record<string, (run: Run) => unknown>;

type Step = keyof typeof STEPS;

describe("a pool", () => {
  const frequent: readonly Step[] = ["take", "take", "take", "release", "release"];
  const step = fc.constantFrom(...frequent, "discard", "rotate", "retire", "breaks", "wait");

  it.each([1, 2, 10])(
    "only hands out current connections, each to %d requests, and is empty at the end",
    async (limit) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const world = limit === 1 ? new PoolWorld({ endpoints: 3 }) : startSharedWorld(limit, { endpoints: 3 }).world;
          const run: Run = { world, taken: [], limit };
          const { taken } = run;
          for (const next of steps) {
            await STEPS[next](run);
            expect(world.pool.active).toBe(taken.length);
          }
          for (const one of taken) world.pool.discard(one, ABANDONED);
          world.pool.closeIdle();
          await world.clock.advance(1000);
          await nextTurn();
          expect([world.pool.size, world.pool.active, world.open, world.deadlines.size]).toEqual([0, 0, 0, 0]);
        }),
        { numRuns: 60 },
      );
    },
  );
});
