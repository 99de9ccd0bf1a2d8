import type { BucketLimit } from "../http2-limits.ts";

/** A bucket of tokens that fills with time. Pure: the time is passed in, in milliseconds of any clock that only rises. */
export class TokenBucket {
  readonly #limit: BucketLimit;
  #tokens: number;
  #filledMs: number;

  constructor(limit: BucketLimit, nowMs: number) {
    this.#limit = limit;
    this.#tokens = limit.capacity;
    this.#filledMs = nowMs;
  }

  /** Takes tokens. @returns false: there were too few; the limit is exceeded. */
  take(tokens: number, nowMs: number): boolean {
    const { capacity, perSecond } = this.#limit;
    const elapsedMs = Math.max(0, nowMs - this.#filledMs);
    this.#tokens = Math.min(capacity, this.#tokens + (elapsedMs * perSecond) / 1000) - tokens;
    this.#filledMs = nowMs;
    return this.#tokens >= 0;
  }

  /** Gives one back. */
  give(): void {
    if (this.#tokens < this.#limit.capacity) this.#tokens += 1;
  }
}
