import type { Clock } from "../mesh/runtime.ts";

export interface CallRateLimits {
  /** Calls that one caller may begin at once: a reconnecting sidecar opens all its streams. */
  readonly callBurst: number;
  /** Calls that one caller may begin per second, sustained. */
  readonly callsPerSecond: number;
}

interface Bucket {
  tokens: number;
  refilledAtMs: number;
}

/** How many buckets are kept. The least recently used one is evicted; it would be full again by then. */
const MAX_CALLERS = 50_000;

/**
 * A token bucket for each caller: opening and closing streams costs the control plane about a millisecond each time, so
 * without a limit one pod could take all of its processor.
 */
export class CallRates {
  readonly #limits: CallRateLimits;
  readonly #clock: Clock;
  /** Least recently used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: CallRateLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Whether this caller may begin another call now. */
  take(caller: string): boolean {
    const { callBurst, callsPerSecond } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const { tokens, refilledAtMs } = this.#buckets.get(caller) ?? { tokens: callBurst, refilledAtMs: nowMs };
    const refilled = Math.min(callBurst, tokens + ((nowMs - refilledAtMs) / 1000) * callsPerSecond);
    const isAllowed = refilled >= 1;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { tokens: isAllowed ? refilled - 1 : refilled, refilledAtMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size > MAX_CALLERS) this.#buckets.delete(oldest);
    return isAllowed;
  }
}
