import type { Clock } from "../mesh/runtime.ts";

export interface CallRateLimits {
  /** Calls that one caller may begin at once. */
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
    const bucket = this.#refill(caller);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** A call that was taken does not count. */
  giveBack(caller: string): void {
    const bucket = this.#refill(caller);
    bucket.tokens = Math.min(this.#limits.callBurst, bucket.tokens + 1);
  }

  /** A call that was taken counts for another caller, if that one may begin it. */
  transfer(from: string, to: string): void {
    if (this.take(to)) this.giveBack(from);
  }

  /** Counts some calls even if there are too many, and returns how long to wait before they are served. */
  reserve(caller: string, calls: number): number {
    const bucket = this.#refill(caller);
    bucket.tokens -= calls;
    return bucket.tokens >= 0 ? 0 : (-bucket.tokens / this.#limits.callsPerSecond) * 1000;
  }

  #refill(caller: string): Bucket {
    const { callBurst, callsPerSecond } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const { tokens, refilledAtMs } = this.#buckets.get(caller) ?? { tokens: callBurst, refilledAtMs: nowMs };
    const refilled = Math.min(callBurst, tokens + ((nowMs - refilledAtMs) / 1000) * callsPerSecond);
    const bucket: Bucket = { tokens: refilled, refilledAtMs: nowMs };
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size > MAX_CALLERS) this.#buckets.delete(oldest);
    return bucket;
  }
}
