import type { Clock, Timer } from "../../mesh/runtime.ts";

/** Keys that are due at some time, each at most once. Several workers may take from it. */
export class DueQueue {
  readonly #clock: Clock;
  readonly #dueMs = new Map<string, number>();
  #wake: (() => void)[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A key that is already there keeps the earlier time. */
  add(key: string, delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    this.#dueMs.set(key, Math.min(atMs, this.#dueMs.get(key) ?? atMs));
    this.#wakeAll();
  }

  /** The next key that is due; waits for it. Rejects with the signal's reason when that aborts. */
  async take(signal: AbortSignal): Promise<string> {
    for (;;) {
      signal.throwIfAborted();
      const earliest = this.#earliest();
      const waitMs = earliest && earliest.atMs - this.#clock.monotonicMs();
      if (earliest !== undefined && waitMs !== undefined && waitMs <= 0) {
        this.#dueMs.delete(earliest.key);
        return earliest.key;
      }
      await this.#sleep(waitMs, signal);
    }
  }

  #earliest(): { readonly key: string; readonly atMs: number } | undefined {
    let earliest: { readonly key: string; readonly atMs: number } | undefined;
    for (const [key, atMs] of this.#dueMs) {
      if (earliest === undefined || atMs < earliest.atMs) earliest = { key, atMs };
    }
    return earliest;
  }

  async #sleep(waitMs: number | undefined, signal: AbortSignal): Promise<void> {
    const wakeAll = (): void => this.#wakeAll();
    signal.addEventListener("abort", wakeAll, { once: true });
    this.#timer?.cancel();
    if (waitMs !== undefined) this.#timer = this.#clock.setTimeout(wakeAll, waitMs);
    await new Promise<void>((resolve) => this.#wake.push(resolve));
    signal.removeEventListener("abort", wakeAll);
  }

  #wakeAll(): void {
    this.#timer?.cancel();
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
