/** A clock for tests with real sockets: real time, in which a test can let hours pass in a moment. */
import { type Clock, systemClock, type Timer } from "./runtime.ts";

/** A longer wait ends with a look at the wall clock; a shorter one is for something that takes real time. */
const LOOK_MS = 8000;

interface Look {
  readonly action: () => void;
  readonly timer: Timer;
}

/** All clocks of a mesh. What a machine's own clock shows may be wrong. */
export class TravellingTime {
  readonly #looks = new Set<Look>();
  #passedMs = 0;

  now(): number {
    return systemClock.now() + this.#passedMs;
  }

  /** A machine's clock. @param error by how much it is ahead, in milliseconds; it may change */
  clock(error: { readonly aheadMs: number } = { aheadMs: 0 }): Clock {
    return {
      now: () => this.now() + error.aheadMs,
      monotonicMs: () => systemClock.monotonicMs(),
      setTimeout: (action, delayMs) =>
        delayMs < LOOK_MS ? systemClock.setTimeout(action, delayMs) : this.#look(action, delayMs),
    };
  }

  /** As machines that were suspended: the wall clocks are set, and everything that looks at them does so at once. */
  pass(ms: number): void {
    this.#passedMs += ms;
    this.lookAgain();
  }

  /** After a clock was set. */
  lookAgain(): void {
    for (const look of [...this.#looks]) {
      look.timer.cancel();
      if (this.#looks.delete(look)) look.action();
    }
  }

  #look(action: () => void, delayMs: number): Timer {
    const timer = systemClock.setTimeout(() => {
      this.#looks.delete(look);
      action();
    }, delayMs);
    const look: Look = { action, timer };
    this.#looks.add(look);
    return {
      cancel: () => {
        timer.cancel();
        this.#looks.delete(look);
      },
    };
  }
}
