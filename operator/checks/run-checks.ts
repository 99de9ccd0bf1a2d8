import type { Clock } from "../../mesh/runtime.ts";
import { type CheckGroup, isHealthy } from "./check.ts";

export interface CheckRun {
  /** Reads and judges once. */
  readonly evaluate: (signal: AbortSignal) => Promise<readonly CheckGroup[]>;
  /** How long failed checks are tried again; 0: they are made once. */
  readonly waitMs: number;
  readonly clock: Clock;
  /** Resolves after a time; rejects when the signal aborts. */
  readonly pause: (delayMs: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Between two rounds: an installation takes seconds. */
const ROUND_MS = 2000;

/** Makes the checks until none fails or the time is over. Returns the last round. */
export async function runChecks({ evaluate, waitMs, clock, pause, signal }: CheckRun): Promise<readonly CheckGroup[]> {
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const groups = await evaluate(signal);
    const leftMs = endMs - clock.monotonicMs();
    if (isHealthy(groups) || leftMs <= 0) return groups;
    await pause(Math.min(ROUND_MS, leftMs), signal);
  }
}
