/** For tests: situations of a rotation. */
import { expect } from "vitest";
import { planRotation } from "./plan-rotation.ts";
import { HOUR_MS, LIMITS, NOW_MS, READY } from "./rotation-fixture.ts";
import type { RotationEvidence, RotationState } from "./rotation-state.ts";

/** A situation, and what follows it. */
export interface PlanCase {
  readonly name: string;
  readonly state: RotationState;
  readonly evidence?: Partial<RotationEvidence>;
  /** After the phase began. */
  readonly afterMs: number;
  readonly plan: object;
}

/** Plans for two control planes and ten sidecars that are ready for everything, but for what is given. */
export function planFor({ state, evidence = {}, afterMs }: Omit<PlanCase, "plan" | "name">) {
  const nowMs = NOW_MS + afterMs;
  // Counts that were complete long before, unless the case is about that.
  return planRotation(state, { ...READY, completeSinceMs: nowMs - HOUR_MS, ...evidence }, { nowMs, limits: LIMITS });
}

/** Requests that have not been answered. */
export const rotate = { kind: "rotate", requestId: "one" } as const;
export const goBack = { kind: "roll_back", requestId: "two" } as const;
export const replicas = { live: 2, following: 2, lost: 0, otherLeavesUntilMs: 0 };
/** A plan to wait, for a reason that contains this text. */
export const wait = (reason: string): object => ({ kind: "wait", reason: expect.stringContaining(reason) });
