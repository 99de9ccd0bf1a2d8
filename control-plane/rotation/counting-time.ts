import type { Clock } from "../../mesh/runtime.ts";

/** Sidecars leave a control plane that does not respond for so long. */
const UNRESPONSIVE_MS = 10_000;

/**
 * How long all sidecars could be connected to this process: since its start, or since it was paused, as by a debugger or a
 * machine that froze. Then its sidecars have left it, and what is counted is not complete before they had the time to come back.
 */
export class CountingTime {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #checkMs: number;
  #sinceMs: number;
  #aliveMs: number;

  /** @param checkMs how often `forMs` is called at least */
  constructor(clock: Pick<Clock, "monotonicMs">, checkMs: number) {
    this.#clock = clock;
    this.#checkMs = checkMs;
    this.#sinceMs = clock.monotonicMs();
    this.#aliveMs = this.#sinceMs;
  }

  forMs(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#aliveMs > this.#checkMs + UNRESPONSIVE_MS) this.#sinceMs = nowMs;
    this.#aliveMs = nowMs;
    return nowMs - this.#sinceMs;
  }
}
