import type { Random } from "../mesh/runtime.ts";

/** Delays between repeated attempts. */
export interface Backoff {
  /** How long to wait before the next attempt, in milliseconds; never longer than `capMs`, if given. */
  next(capMs?: number): number;
  /** After a success: the next delay starts from the beginning. */
  reset(): void;
}

export interface BackoffOptions {
  readonly random: Random;
  /** @default 100 */
  readonly firstMs?: number;
  /** @default 5000 */
  readonly maxMs?: number;
}

/**
 * Exponential backoff with full jitter: a random delay up to a ceiling that doubles with each failure. When a control
 * plane returns, thousands of waiting clients reconnect spread out, and all of them within 10 s: an attempt that began
 * before takes up to 5 s, and the delay after it up to 5 s more. The ceiling is never below `firstMs`, so that a small
 * cap does not become a busy loop.
 */
export function createBackoff({ random, firstMs = 100, maxMs = 5000 }: BackoffOptions): Backoff {
  let ceilingMs = firstMs;
  return {
    next(capMs = maxMs) {
      const limitMs = Math.max(firstMs, Math.min(ceilingMs, capMs));
      ceilingMs = Math.min(ceilingMs * 2, maxMs);
      return random() * limitMs;
    },
    reset() {
      ceilingMs = firstMs;
    },
  };
}
