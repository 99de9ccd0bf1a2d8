import { describe, expect, it } from "vitest";
import { isToBeWrittenBack } from "./decide-write-back.ts";
import { INPUT, mintOwnRoot, NEW, OLD, PUBLISHED, SIGNING, STEADY, WITHDRAWING } from "./rotation-fixture.ts";
import type { RotationState } from "./rotation-state.ts";
import { activateNext, publishNext, retireRoot, rollBack } from "./rotation-steps.ts";

const DONE = retireRoot(SIGNING, INPUT);
const AGAIN = publishNext(DONE, { next: mintOwnRoot(), cause: "request" }, INPUT);
const TWICE = retireRoot(activateNext(AGAIN, { crossSignedPem: undefined }, INPUT), INPUT);
const foreign = mintOwnRoot();

interface Case {
  readonly name: string;
  readonly stored: RotationState;
  readonly inForce: RotationState;
}

describe("an earlier state of the same mesh is replaced by the one in force", () => {
  it.each<Case>([
    { name: "from before the rotation, after its end", stored: STEADY, inForce: DONE },
    { name: "from before the rotation, while the new root signs", stored: STEADY, inForce: SIGNING },
    { name: "from before the rotation, while the new root is withdrawn", stored: STEADY, inForce: WITHDRAWING },
    { name: "from before two rotations", stored: STEADY, inForce: TWICE },
    { name: "from between two rotations", stored: DONE, inForce: TWICE },
    { name: "from the first of two rotations", stored: SIGNING, inForce: TWICE },
  ])("$name", ({ stored, inForce }) => {
    expect(isToBeWrittenBack(stored, inForce)).toBe(true);
  });
});

describe("what is stored stays", () => {
  it.each<Case>([
    { name: "if it is newer", stored: DONE, inForce: SIGNING },
    { name: "if it is the same", stored: DONE, inForce: DONE },
    { name: "if all can follow it: both roots are trusted", stored: PUBLISHED, inForce: SIGNING },
    {
      name: "if an operator has added the root that is needed",
      stored: { ...STEADY, others: [NEW.certificatePem] },
      inForce: DONE,
    },
    { name: "if no certificate of the missing root exists", stored: STEADY, inForce: PUBLISHED },
    {
      name: "after a rotation that was rolled back in time",
      stored: STEADY,
      inForce: rollBack(PUBLISHED, "a test", INPUT),
    },
    {
      name: "if it is a root that this mesh never had, as of another mesh",
      stored: { ...STEADY, current: foreign },
      inForce: DONE,
    },
    {
      name: "if another root signs beside one of this mesh",
      stored: { ...STEADY, current: foreign, others: [OLD.certificatePem] },
      inForce: DONE,
    },
  ])("$name", ({ stored, inForce }) => {
    expect(isToBeWrittenBack(stored, inForce)).toBe(false);
  });
});
