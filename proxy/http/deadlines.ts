import type { Clock, Timer } from "../../mesh/runtime.ts";

/** Something with time limits, checked periodically. */
export interface Watched {
  /** @param nowMs the same clock as `Deadlines.nowMs`. */
  checkDeadline(nowMs: number): void;
}

/**
 * One timer for the time limits of many connections. A limit costs a connection nothing until it has passed:
 * connections record `nowMs`, which is at most one interval old, when something happens. The time is monotonic, so a
 * change of the machine's clock closes no connection.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #watched = new Set<Watched>();
  #timer: Timer | undefined;
  #nowMs: number;

  /** @param intervalMs how late an exceeded limit may be noticed. */
  constructor(clock: Clock, intervalMs = 500) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#nowMs = clock.monotonicMs();
  }

  /** When the clock was last read. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Reads the clock: for durations below an interval. */
  get exactMs(): number {
    return this.#clock.monotonicMs();
  }

  get size(): number {
    return this.#watched.size;
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    if (this.#timer !== undefined) return;
    this.#nowMs = this.#clock.monotonicMs();
    this.#schedule();
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#nowMs = this.#clock.monotonicMs();
      for (const watched of this.#watched) watched.checkDeadline(this.#nowMs);
      this.#timer = undefined;
      if (this.#watched.size > 0) this.#schedule();
    }, this.#intervalMs);
  }
}
