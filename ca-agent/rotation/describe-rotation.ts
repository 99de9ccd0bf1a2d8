import type { RotationStatus } from "../authority/authority-status.ts";
import type { RotationPlan } from "./plan-rotation.ts";
import type { RotationState } from "./rotation-state.ts";

/**
 * A rotation as operators see it. `plan` is what follows as far as this control plane knows, `fault` why it could not take
 * the last step.
 */
export function describeRotation(state: RotationState, plan: RotationPlan, fault?: string): RotationStatus {
  const wait = plan.kind === "wait" ? plan : undefined;
  const last = state.kind === "steady" ? state.last : undefined;
  return {
    phase: state.kind,
    cause: state.kind === "steady" ? null : state.cause,
    since: formatTime(state.kind === "steady" ? last?.atMs : state.sinceMs),
    waiting: wait?.reason ?? null,
    until: formatTime(wait?.untilMs),
    requestId: state.requestId ?? null,
    rolledBack: findRollBack(state) ?? null,
    fault: fault ?? null,
  };
}

function findRollBack(state: RotationState): string | undefined {
  if (state.kind === "withdrawing") return state.reason;
  return state.kind === "steady" && state.last?.outcome === "rolled_back" ? state.last.reason : undefined;
}

function formatTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
