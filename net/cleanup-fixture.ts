/** For tests: closes what a test has opened. */

/** Closes what a test has opened, in reverse order. */
export class Cleanup {
  readonly #actions: (() => unknown)[] = [];

  add(action: () => unknown): void {
    this.#actions.push(action);
  }

  async run(): Promise<void> {
    for (const action of this.#actions.splice(0).reverse()) await action();
  }
}
