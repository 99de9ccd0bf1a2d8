import type { Clock, Timer } from "../../mesh/runtime.ts";
import type { ObjectChange } from "./object-store.ts";

export interface ChangeBatchesOptions<Stored> {
  readonly clock: Clock;
  /** How long changes are collected, so that a burst costs its consumer one update. */
  readonly batchMs: number;
  readonly deliver: (changes: readonly ObjectChange<Stored>[]) => void;
}

/** Collects changes in their order, and delivers them together. */
export class ChangeBatches<Stored> {
  readonly #options: ChangeBatchesOptions<Stored>;
  #waiting: ObjectChange<Stored>[] = [];
  #timer: Timer | undefined;

  constructor(options: ChangeBatchesOptions<Stored>) {
    this.#options = options;
  }

  /** Whether there are changes that were not delivered yet. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(changes: readonly ObjectChange<Stored>[]): void {
    if (changes.length === 0) return;
    for (const change of changes) this.#waiting.push(change);
    this.#timer ??= this.#options.clock.setTimeout(() => this.flush(), this.#options.batchMs);
  }

  /** Delivers at once what was collected. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const changes = this.#waiting;
    this.#waiting = [];
    if (changes.length > 0) this.#options.deliver(changes);
  }

  /** Drops what was collected. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting = [];
  }
}
