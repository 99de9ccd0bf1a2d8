import fc from "fast-check";
import { expect, it } from "vitest";
import { LEAF_MS, type ModelAction, RotationModel } from "./rotation-model-fixture.ts";

const replica = fc.nat(2);
const sidecar = fc.nat(3);

/** The second one in one case of ten: what rolls back must not keep rotations from their end. */
function often<Usual, Rare>(usual: Usual, rare: Rare): fc.Arbitrary<Usual | Rare> {
  return fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constant(rare) });
}

const actions: fc.Arbitrary<ModelAction> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(500) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "recover" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "roll_out" as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("follow" as const), replica }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cut", "heal", "kill", "restart"), replica }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("connect" as const), sidecar, replica }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("disconnect", "receive", "receive"), sidecar }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("renew" as const),
      sidecar,
      lifetimeMs: fc.constantFrom(LEAF_MS, LEAF_MS / 10),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      request: often("rotate" as const, "roll_back" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fault" as const), isFound: often(false, true) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("lead" as const),
      replica,
      wrongByMs: fc.constantFrom(0, 0, -1e8, 1e8),
      isKilled: fc.constantFrom(false, false, false, true),
      isStale: fc.constantFrom(false, false, false, true),
    }),
  },
);

const sequences = fc.array(actions, { minLength: 50, maxLength: 250, size: "max" });

function run(sequence: readonly ModelAction[]): RotationModel {
  const model = new RotationModel({ replicas: 3, sidecars: 4 });
  for (const action of sequence) model.act(action);
  return model;
}

it("no sequence of faults leaves a valid certificate without a trusted root, or lets a root sign too early", () => {
  fc.assert(
    fc.property(sequences, (sequence) => {
      expect(run(sequence).broken).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

it("such sequences reach every step, or they would show nothing", () => {
  const visited = fc.sample(sequences, { numRuns: 80, seed: 1 }).flatMap((sequence) => [...run(sequence).visited]);
  expect([...new Set(visited)].sort()).toEqual([
    "published published",
    "published signing",
    "published steady",
    "signing signing",
    "signing steady",
    "signing withdrawing",
    "steady published",
    "withdrawing steady",
    "withdrawing withdrawing",
  ]);
});
