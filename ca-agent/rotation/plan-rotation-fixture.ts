/** For tests: situations of a rotation. */
import { expect } from "vitest";
import { planRotation } from "./plan-rotation.ts";
import { LIMITS, NOW_MS, READY } from "./rotation-fixture.ts";
import type { RotationEvidence, RotationState } from "./rotation-state.ts";

/** A situation, and what follows it. */
export interface PlanCase {
  readonly name: string;
  readonly state: RotationState;
  readonly evidence?: Partial<RotationEvidence>;
  /** How long the phase has lasted. */
  readonly afterMs: number;
  /** By so much the wall clock is wrong. */
  readonly wrongByMs?: number;
  readonly plan: object;
}

/** Plans for two control planes and ten sidecars that are ready for everything, but for what is given. */
export function planFor({ state, evidence = {}, afterMs, wrongByMs = 0 }: Omit<PlanCase, "plan" | "name">) {
  const time = { nowMs: NOW_MS + afterMs + wrongByMs, phaseMs: afterMs, limits: LIMITS };
  // Its time was stored a moment ago.
  const counted = state.kind === "steady" ? state : { ...state, countedMs: afterMs };
  return planRotation(counted, { ...READY, ...evidence }, time);
}

/** Requests that have not been answered. */
export const rotate = { kind: "rotate", requestId: "one" } as const;
export const goBack = { kind: "roll_back", requestId: "two" } as const;
export const replicas = { live: 2, following: 2, lost: 0, otherLeavesForMs: 0 };
/** A plan to wait, for a reason that contains this text. */
export const wait = (reason: string): object => ({ kind: "wait", reason: expect.stringContaining(reason) });
