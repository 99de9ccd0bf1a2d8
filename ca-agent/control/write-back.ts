import { pause } from "../../kubernetes/bounded-call.ts";
import type { Clock, Random } from "../../mesh/runtime.ts";
import { createBackoff } from "../../net/backoff.ts";

export interface WriteBackOptions {
  /** Stores again what is no longer stored, if that is still so. */
  readonly write: () => Promise<unknown>;
  /** Called with what `write` has rejected with. Another attempt can be requested then. */
  readonly onFailed: (caught: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** In which time the replicas store it again: one of them is the fastest, and the others find it done. */
const FIRST_MS = 1000;
/** A control plane that starts meanwhile begins with what is stored. */
const MAX_MS = 30_000;
/** What has lasted so long is not replaced all the time. Tools apply their copy every few minutes. */
const LASTING_MS = 3_600_000;

/**
 * Stores something again each time that others have replaced it, such as a tool that keeps applying its own copy: one attempt
 * at a time, and each after a longer pause, so that two that do not agree do not occupy the API server.
 */
export class WriteBack {
  readonly #options: WriteBackOptions;
  readonly #backoff;
  #isPending = false;
  #lastMs = Number.NEGATIVE_INFINITY;
  #timesStored = 0;

  constructor(options: WriteBackOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ random: options.random, firstMs: FIRST_MS, maxMs: MAX_MS });
  }

  /** How many times in a row it was stored, here or by another replica, and did not last. */
  get timesStored(): number {
    return this.#timesStored;
  }

  /** Begins an attempt, if none has begun that is not over. */
  request(): void {
    if (this.#isPending || this.#options.signal.aborted) return;
    this.#isPending = true;
    void this.#attempt();
  }

  async #attempt(): Promise<void> {
    const { write, onFailed, clock, signal } = this.#options;
    if (clock.monotonicMs() - this.#lastMs > LASTING_MS) {
      this.#backoff.reset();
      this.#timesStored = 0;
    }
    try {
      await pause(clock, this.#backoff.next(), signal);
      await write();
      this.#timesStored += 1;
      this.#isPending = false;
    } catch (caught) {
      this.#isPending = false;
      if (!signal.aborted) onFailed(caught);
    } finally {
      this.#lastMs = clock.monotonicMs();
    }
  }
}
