import { setTimeout as sleep } from "node:timers/promises";

export interface PollOptions {
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Polled<Value> {
  /** The last value, whether it was the one waited for or not. */
  readonly value: Value;
  readonly isReached: boolean;
  /** From the call to the moment at which the value was there. */
  readonly elapsedMs: number;
}

/** Looks again and again until the value is as wanted or time is up; at least once. */
export async function pollUntil<Value>(
  look: () => Promise<Value>,
  isWanted: (value: Value) => boolean,
  options: PollOptions,
): Promise<Polled<Value>> {
  const startedMs = performance.now();
  for (;;) {
    const value = await look();
    const elapsedMs = performance.now() - startedMs;
    if (isWanted(value)) return { value, isReached: true, elapsedMs };
    if (elapsedMs >= options.timeoutMs) return { value, isReached: false, elapsedMs };
    await sleep(options.everyMs, undefined, { signal: options.signal });
  }
}
