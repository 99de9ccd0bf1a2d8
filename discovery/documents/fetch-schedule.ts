import type { Random } from "../../mesh/runtime.ts";

/** The first repetition after a failure; each further one waits twice as long. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 5 * 60_000;

/**
 * How long to wait before a document is fetched again, ± 10 %, so that the replicas of a control plane do not ask at
 * the same time.
 * @param failures in a row; 0: the last attempt succeeded, and `refreshMs` counts.
 */
export function decideNextFetchMs(failures: number, refreshMs: number, random: Random): number {
  const delayMs = failures === 0 ? refreshMs : Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 20));
  return delayMs * (0.9 + random() * 0.2);
}
