import type { SpiffeBundle } from "./spiffe-bundle.ts";

/** Bundles in a row that had a lower number than the one in force. */
export interface OlderBundles {
  /** By the monotonic clock. */
  readonly sinceMs: number;
  readonly count: number;
}

/**
 * `older`: it must not take the place of the last one. `restarted`: its number is lower too, but the endpoint has sent
 * nothing else for so long that it must have begun to count again.
 */
export type BundleOrder =
  | { readonly kind: "newer" | "restarted" }
  | { readonly kind: "older"; readonly older: OlderBundles; readonly reason: string };

/** As long as the longest interval between two attempts: a cache, or one of several replicas, is behind for less. */
const RESTART_MS = 60 * 60_000;
const RESTART_COUNT = 3;

/**
 * Judges a bundle by its `spiffe_sequence`, which its publisher must only ever increase (SPIFFE Trust Domain and Bundle,
 * section 4.1.1). An older bundle, of a cache or of a server that was restored, may have a root that its owner has
 * withdrawn. But one response with a high number must not keep all later bundles out: the number orders bundles, and the
 * endpoint, which TLS authenticates, is what decides about them.
 * @param before what the endpoint has sent since it last sent one that was not older
 */
export function judgeBundleOrder(
  { sequence }: SpiffeBundle,
  last: SpiffeBundle | undefined,
  before: OlderBundles | undefined,
  nowMs: number,
): BundleOrder {
  if (sequence === undefined || last?.sequence === undefined || sequence >= last.sequence) return { kind: "newer" };
  const older = { sinceMs: before?.sinceMs ?? nowMs, count: (before?.count ?? 0) + 1 };
  if (nowMs - older.sinceMs >= RESTART_MS && older.count >= RESTART_COUNT) return { kind: "restarted" };
  const reason =
    `its spiffe_sequence is ${sequence}, which is older than ${last.sequence}; ` +
    "it is accepted if the endpoint sends nothing newer for an hour";
  return { kind: "older", older, reason };
}
