/** All in milliseconds. */
export interface RotationLimits {
  /** The least time for which a root is published before it signs: mounted ConfigMaps take up to 90 s. @default 180,000 */
  readonly publishMs: number;
  /**
   * By age a root is published for so much longer before it signs, at most: clients and meshes outside, which copy the roots
   * from time to time, learn of it first. It is never more than half of the lead. @default a week
   */
  readonly earlyPublishMs: number;
  /** Sidecars that have not acknowledged the new root are waited for so long. @default a day */
  readonly publishLimitMs: number;
  /** The longest lifetime of a leaf that any control plane grants. */
  readonly longestLeafMs: number;
  /** By so much clocks may differ when the end of the last leaf is computed. @default two hours and four minutes */
  readonly clockErrorMs: number;
  /** After the last old leaf, sidecars without a new one are waited for so long. @default a week */
  readonly retireLimitMs: number;
  /**
   * Counts must be complete for so long, because sidecars reconnect after a control plane's restart; and control planes that
   * start have so long to report. @default 90,000
   */
  readonly settleMs: number;
  /** So often a phase stores how long it has lasted: a restart loses no more of that. @default an hour */
  readonly countMs: number;
  /** After a rotation by age was rolled back, the next one starts so much later. @default a day */
  readonly retryMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * The limits for a mesh whose leaves live so long at most. Where they live shorter than a default limit, that is the limit:
 * sidecars renew within that time, so they are connected, and clocks that differ by more could not use such a leaf at all.
 */
export function createRotationLimits(longestLeafMs: number, changed: Partial<RotationLimits> = {}): RotationLimits {
  const upToLeaf = (limitMs: number): number => Math.min(limitMs, longestLeafMs);
  return {
    publishMs: upToLeaf(180_000),
    earlyPublishMs: 7 * DAY_MS,
    publishLimitMs: DAY_MS,
    longestLeafMs,
    // Two clocks, each wrong by an hour and Istio's two minutes.
    clockErrorMs: upToLeaf(2 * (HOUR_MS + 120_000)),
    retireLimitMs: 7 * DAY_MS,
    settleMs: upToLeaf(90_000),
    countMs: HOUR_MS,
    retryMs: upToLeaf(DAY_MS),
    ...changed,
  };
}

/** The time, and the limits that it is compared with. */
export interface RotationTime {
  /** By the wall clock: for dates, and for the age of a root. */
  readonly nowMs: number;
  /** How long the phase has lasted at least: `PhaseClock`. All limits are compared with this alone. */
  readonly phaseMs: number;
  readonly limits: RotationLimits;
}

/** How long a phase must have lasted until all leaves have certainly expired that were signed up to now. */
export function latestLeafEnd({ phaseMs, limits }: Pick<RotationTime, "phaseMs" | "limits">): number {
  return phaseMs + limits.longestLeafMs + limits.clockErrorMs;
}
