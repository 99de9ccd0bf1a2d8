/** A clock for tests: time passes only when the test advances it. */
import type { Clock, Timer } from "./runtime.ts";

interface PendingTimer {
  readonly action: () => void;
  readonly dueMs: number;
}

/** Wall clock and timers are separate, as on a real machine: `advance` moves both, `jump` only the wall clock. */
export class FakeClock implements Clock {
  readonly #timers = new Set<PendingTimer>();
  #wallMs: number;
  #elapsedMs = 0;

  constructor(startMs: number = Date.parse("2030-01-01T00:00:00Z")) {
    this.#wallMs = startMs;
  }

  /** Whole milliseconds, like `Date.now()`. */
  now(): number {
    return Math.round(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(action: () => void, delayMs: number): Timer {
    // Node runs a timer beyond 2^31-1 ms after one millisecond, so a caller that requests one has a bug.
    if (!(delayMs >= 0) || delayMs > 0x7fffffff) throw new RangeError(`no timer can wait ${delayMs} ms`);
    const timer = { action, dueMs: this.#elapsedMs + delayMs };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Sets only the wall clock, forwards (a suspended machine) or backwards (a corrected clock). */
  jump(byMs: number): void {
    this.#wallMs += byMs;
  }

  /** Time passes in which nothing runs, as of a process that is stopped: timers that were due run afterwards. */
  pause(byMs: number): void {
    this.#wallMs += byMs;
    this.#elapsedMs += byMs;
  }

  /** Advances time. Timers run in order; after each, the promises that it settled and their timers run. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#elapsedMs + byMs;
    await settlePromises();
    for (let next = this.#nextUntil(endMs); next !== undefined; next = this.#nextUntil(endMs)) {
      // After a pause some are late.
      const dueMs = Math.max(next.dueMs, this.#elapsedMs);
      this.#wallMs += dueMs - this.#elapsedMs;
      this.#elapsedMs = dueMs;
      this.#timers.delete(next);
      next.action();
      await settlePromises();
    }
    this.#wallMs += endMs - this.#elapsedMs;
    this.#elapsedMs = endMs;
  }

  #nextUntil(endMs: number): PendingTimer | undefined {
    let earliest: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (earliest === undefined || timer.dueMs < earliest.dueMs)) earliest = timer;
    }
    return earliest;
  }
}

/** Lets all ready promises settle. */
export async function settlePromises(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
