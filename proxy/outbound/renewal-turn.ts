import type { Clock, Timer } from "../../mesh/runtime.ts";

/** The interval after a response that differed, and the longest one. */
const QUICK_MS = 50;
const SLOW_MS = 1000;

/**
 * The timer of repeated queries: one step each 50 ms after a response that differed, and each interval twice as long as
 * the last one, up to a second, while none does. It runs only when it has been started for the next step.
 */
export class RenewalTurn {
  readonly #clock: Clock;
  readonly #step: () => void;
  #intervalMs = QUICK_MS;
  #timer: Timer | undefined;

  constructor(clock: Clock, step: () => void) {
    this.#clock = clock;
    this.#step = step;
  }

  /** Makes sure that there is a next step. */
  start(): void {
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#intervalMs = Math.min(this.#intervalMs * 2, SLOW_MS);
      this.#step();
    }, this.#intervalMs);
  }

  /** A response differed, so others may differ too. */
  quicken(): void {
    if (this.#intervalMs === QUICK_MS) return;
    this.#intervalMs = QUICK_MS;
    if (this.#timer === undefined) return;
    this.stop();
    this.start();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
