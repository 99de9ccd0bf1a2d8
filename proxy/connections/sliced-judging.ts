/** What is done before yielding to the event loop: the cheapest look costs 1, and takes a few microseconds. */
const SLICE_COST = 512;

/**
 * Judges many things again without keeping others waiting. What is added while it runs comes last, and what still waits
 * keeps its place: so each is judged in the end, however often all are added again.
 */
export class SlicedJudging<Subject> {
  readonly #judge: (subject: Subject) => number;
  readonly #waiting = new Set<Subject>();
  #running: Promise<void> | undefined;

  /** @param judge by what is in force at its call; returns what it has cost. */
  constructor(judge: (subject: Subject) => number) {
    this.#judge = judge;
  }

  add(subject: Subject): void {
    this.#waiting.add(subject);
  }

  /** @returns whether it waited. */
  delete(subject: Subject): boolean {
    return this.#waiting.delete(subject);
  }

  /** Begins at once. Resolves when none waits. */
  run(): Promise<void> {
    // Without anything to do it would be over before it is remembered, and remembered for ever.
    if (this.#waiting.size > 0) this.#running ??= this.#runSlices();
    return this.#running ?? Promise.resolve();
  }

  async #runSlices(): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#runSlice();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = undefined;
  }

  #runSlice(): void {
    let cost = 0;
    for (const subject of this.#waiting) {
      this.#waiting.delete(subject);
      cost += this.#judge(subject);
      if (cost >= SLICE_COST) return;
    }
  }
}
