import type { KubernetesObject } from "../kubernetes-api.ts";
import { type LeaseRecord, readLease } from "./lease-record.ts";

/**
 * A Lease, and since when it is known with this content. Whether it has expired is judged by this process's own monotonic
 * clock from that moment on, as client-go does: it does not matter how wrong either machine's clock is, only that both
 * run at about the same rate. An observer learns of a renewal after its holder, so it never judges too early.
 */
export interface ObservedLease {
  readonly record: LeaseRecord;
  readonly content: string;
  /** Monotonic. */
  readonly sinceMs: number;
}

/** The next observation of a Lease: one with other content was renewed now. */
export function observeLease(
  previous: ObservedLease | undefined,
  lease: KubernetesObject,
  nowMs: number,
): ObservedLease {
  // Not the version: somebody else's label would count as a renewal.
  const content = JSON.stringify([lease.metadata.uid, lease["spec"]]);
  const sinceMs = previous?.content === content ? previous.sinceMs : nowMs;
  return { record: readLease(lease), content, sinceMs };
}

export function isExpired({ record, sinceMs }: ObservedLease, nowMs: number): boolean {
  return nowMs - sinceMs >= record.durationMs;
}
