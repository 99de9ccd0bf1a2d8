import { expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { address, EDITS, FAILURES, PoolWorld } from "../pool/upstream-pool-fixture.ts";
import { startExchange } from "./exchange-fixture.ts";
import type { ForwardPlan } from "./request-plan.ts";

const NO_CONTENT = { content: { kind: "none" } } as const;

/** A request for 10.0.0.1, which cannot be dialled. */
async function requestOfBroken(failure: keyof typeof FAILURES, plan: Partial<ForwardPlan> = {}, dialMs = 0) {
  const world = new PoolWorld();
  world.broken.set(1, FAILURES[failure]);
  const answered = Promise.withResolvers<void>();
  world.hold = () => answered.promise;
  const { clock, exchange, flags } = startExchange(NO_CONTENT, { pool: world.pool, ...plan });
  exchange.requestEnd(undefined);
  await clock.advance(dialMs);
  answered.resolve();
  await settlePromises();
  return { world, flags };
}

it("a request whose only endpoint has ended goes to the one that replaces it", async () => {
  const world = new PoolWorld();
  world.broken.set(1, FAILURES.connect);
  world.hold = async () => {
    if (world.dials.length === 2) world.endpoints = [address(2)];
  };
  const { exchange, flags } = startExchange(NO_CONTENT, { pool: world.pool });
  exchange.requestEnd(undefined);
  await settlePromises();
  expect(world.dials).toEqual([1, 1, 2]);
  expect(world.sockets.map(({ written }) => written.split(" ")[0])).toEqual(["POST"]);
  expect(flags()).toEqual([]);
});

it.each<{ name: string; dials: number[]; request: Parameters<typeof requestOfBroken> }>([
  { name: "after three attempts, if its endpoint keeps refusing", dials: [1, 1, 1], request: ["connect"] },
  { name: "at once, if the server is another one", dials: [1], request: ["tls"] },
  { name: "at once, if the host did not respond for a second", dials: [1], request: ["connect", {}, 1000] },
  {
    name: "at once on the server's side, whose client knows other endpoints",
    dials: [1],
    request: ["connect", { edits: { ...EDITS, hop: "inbound_verified" } }],
  },
])("a request fails $name", async ({ dials, request }) => {
  const { world, flags } = await requestOfBroken(...request);
  expect(world.dials).toEqual(dials);
  expect(flags()).toEqual(["503 UF"]);
});
