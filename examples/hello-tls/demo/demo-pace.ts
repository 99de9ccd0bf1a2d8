/** What depends on how fast the machine is. */
export interface DemoPace {
  /** How long the workloads' certificates live, in seconds; Istio's own live a day. */
  readonly leafLifetimeS: number;
  /** For how long a change of policy or trust is awaited. How long it took is shown: on an idle machine, 0.1 to 0.3 s. */
  readonly inForceMs: number;
}

/** For how long the demo leaves the control plane dead before it starts it again. */
export const AWAY_MS = 3000;
/** On a machine that is not busy. */
const CALM_S = 12;
const LONGEST_S = 90;
/** What a killed control plane may need until it serves again, in starts of this program: twice of what was measured. */
const STARTS = 4;
/** A leaf that is due has lived for up to 55 %; a tenth of the rest may pass until the next attempt. */
const LEFT_AT_WORST = 0.4;
const IN_FORCE_MS = 15_000;

/**
 * A control plane that was killed must serve again before the first leaf ends, and a phase of a root's rotation, which
 * lasts a lifetime, until the demo has seen it. How long that takes is the machine's affair: on a busy one leaves live longer.
 * @param startedMs how long this program has taken to start: the control plane loads as many modules
 */
export function decidePace(startedMs: number): DemoPace {
  const neededS = Math.ceil((AWAY_MS + STARTS * startedMs) / LEFT_AT_WORST / 1000);
  return {
    leafLifetimeS: Math.min(LONGEST_S, Math.max(CALM_S, neededS)),
    inForceMs: Math.max(IN_FORCE_MS, Math.round(STARTS * startedMs)),
  };
}

/** The time limit of what lasts as long as the leaves live: `calmMs`, or more where they live longer. */
export function scaleLimit(calmMs: number, { leafLifetimeS }: DemoPace): number {
  return Math.round(calmMs * Math.max(1, leafLifetimeS / CALM_S));
}

/** For the user, where the machine is busy. */
export function describePace({ leafLifetimeS }: DemoPace): readonly string[] {
  if (leafLifetimeS <= CALM_S) return [];
  return [`this machine is busy: certificates live ${leafLifetimeS} s instead of ${CALM_S}, and the demo takes longer`];
}
