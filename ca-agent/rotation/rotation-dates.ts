import { X509Certificate } from "node:crypto";
import type { RootPair } from "../authority/self-signed-root.ts";
import type { RotationLimits, RotationTime } from "./rotation-limits.ts";
import type { PublishedState, SteadyState } from "./rotation-state.ts";

/** A next root is prepared when less than this part of the current one's life remains, as in Istio. */
const LEAD_SHARE = 0.2;
/** A root that leaves outlive is not replaced for ever: at least half of its life is used. */
const MAX_LEAD_SHARE = 0.5;

/** When a steady root is replaced by age, in epoch milliseconds. */
export function dueAt({ current, last }: SteadyState, limits: RotationLimits): number {
  const { endMs, leadMs } = leadOf(current, limits);
  const isRetry = last?.cause === "age" && last.outcome === "rolled_back";
  return Math.max(endMs - leadMs, isRetry ? last.atMs + limits.retryMs : 0);
}

/** When a root ends, in epoch milliseconds, and how long before that the next one is prepared. */
function leadOf({ certificatePem }: RootPair, { longestLeafMs }: RotationLimits) {
  const { validFromDate, validToDate } = new X509Certificate(certificatePem);
  const [endMs, lifeMs] = [validToDate.getTime(), validToDate.getTime() - validFromDate.getTime()];
  return { endMs, leadMs: Math.max(lifeMs * LEAD_SHARE, Math.min(lifeMs * MAX_LEAD_SHARE, 2 * longestLeafMs)) };
}

/**
 * How long the phase must have lasted until a root that was published by age signs. Half of the lead remains, in which the
 * last leaf of the old root ends. A wall clock that is set only shortens this: `publishMs` holds by the monotonic clock.
 */
export function earlyPublishMs({ cause, current }: PublishedState, { nowMs, phaseMs, limits }: RotationTime): number {
  if (cause !== "age") return 0;
  const { endMs, leadMs } = leadOf(current, limits);
  return Math.min(limits.earlyPublishMs, leadMs / 2, phaseMs + endMs - leadMs / 2 - nowMs);
}
