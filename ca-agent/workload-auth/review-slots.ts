/** How many questions may be put to the API at once. */
export interface ReviewSlotLimits {
  readonly maxRunning: number;
  /** Those that wait for a slot; one more is refused. */
  readonly maxWaiting: number;
  /** Of one caller, running and waiting. */
  readonly maxOfCaller: number;
}

/** Runs a few tasks at once and lets a few more wait, in order; no caller may take the places of all others. */
export class ReviewSlots {
  readonly #limits: ReviewSlotLimits;
  readonly #waiting: (() => void)[] = [];
  readonly #ofCaller = new Map<string, number>();
  #running = 0;

  constructor(limits: ReviewSlotLimits) {
    this.#limits = limits;
  }

  /** The task's result; undefined, at once, if too many are running or waiting. */
  run<Value>(caller: string, task: () => Promise<Value>): Promise<Value> | undefined {
    const own = this.#ofCaller.get(caller) ?? 0;
    if (own >= this.#limits.maxOfCaller) return undefined;
    const isFree = this.#running < this.#limits.maxRunning;
    if (!isFree && this.#waiting.length >= this.#limits.maxWaiting) return undefined;
    this.#ofCaller.set(caller, own + 1);
    if (isFree) this.#running += 1;
    return this.#runInTurn(isFree ? Promise.resolve() : this.#turn(), task).finally(() => this.#release(caller));
  }

  async #runInTurn<Value>(turn: Promise<void>, task: () => Promise<Value>): Promise<Value> {
    await turn;
    return await task();
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(caller: string): void {
    const left = (this.#ofCaller.get(caller) ?? 1) - 1;
    if (left > 0) this.#ofCaller.set(caller, left);
    else this.#ofCaller.delete(caller);
    // The slot passes to the next one, so that none can be taken in between.
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
