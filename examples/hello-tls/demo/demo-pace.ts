/** What depends on how fast the machine is. */
export interface DemoPace {
  /** How long the workloads' certificates live, in seconds; Istio's own live a day. */
  readonly leafLifetimeS: number;
  /** What a change of policy or trust may take until it is in force, as one process after another learns of it. */
  readonly inForceMs: number;
}

/**
 * What a part of the demo needs beyond the running mesh. `root_rotation`: it was requested before the first part.
 * `lasting_leaves`: they outlive a restart of the control plane.
 */
export type Need = "root_rotation" | "lasting_leaves";

/** For how long the demo leaves the control plane dead before it starts it again. */
export const AWAY_MS = 3000;
/** On a machine that is not busy, where the control plane is not killed. */
const QUICK_S = 6;
/** Where it is. */
const LASTING_S = 12;
const LONGEST_S = 90;
/** A phase of the root's rotation lasts a lifetime, and the demo must have seen it meanwhile: in starts of this program. */
const PHASE_STARTS = 3;
/** What a killed control plane may need until it serves again, in starts of this program: twice of what was measured. */
const STARTS = 4;
/** A leaf that is due has lived for up to 55 %; a tenth of the rest may pass until the next attempt. */
const LEFT_AT_WORST = 0.4;
const IN_FORCE_MS = 1000;

/**
 * A control plane that was killed must serve again before the first leaf ends, and each phase of a root's rotation must
 * last until the demo has seen it. How long that takes is the machine's affair: on a busy one leaves live longer.
 * @param startedMs how long this program has taken to start: the control plane loads as many modules
 */
export function decidePace(checks: readonly { readonly needs?: readonly Need[] }[], startedMs: number): DemoPace {
  const inForceMs = Math.max(IN_FORCE_MS, Math.round(startedMs));
  const isKilled = checks.some(({ needs }) => needs?.includes("lasting_leaves"));
  const leastS = isKilled ? LASTING_S : QUICK_S;
  const neededMs = isKilled ? (AWAY_MS + STARTS * startedMs) / LEFT_AT_WORST : PHASE_STARTS * startedMs;
  return { leafLifetimeS: Math.min(LONGEST_S, Math.max(leastS, Math.ceil(neededMs / 1000))), inForceMs };
}

/** The time limit of what lasts as long as the leaves live: `calmMs`, or more where they live longer. */
export function scaleLimit(calmMs: number, { leafLifetimeS }: DemoPace): number {
  return Math.round(calmMs * Math.max(1, leafLifetimeS / LASTING_S));
}

/** For the user, where the machine is busy. */
export function describePace({ leafLifetimeS }: DemoPace): readonly string[] {
  if (leafLifetimeS <= LASTING_S) return [];
  return [
    `this machine is busy: certificates live ${leafLifetimeS} s instead of ${LASTING_S}, and the demo takes longer`,
  ];
}
