type State<Value> =
  | { readonly kind: "empty" }
  | { readonly kind: "full"; readonly value: Value }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly error: Error };

/**
 * Passes values to one reader. A value that was not read before the next one is dropped, so a slow reader costs the
 * memory of one value and never receives an old value after a new one.
 */
export class LatestValue<Value> implements AsyncIterable<Value> {
  #state: State<Value> = { kind: "empty" };
  #wake: (() => void) | undefined;

  set(value: Value): void {
    if (this.#state.kind === "empty" || this.#state.kind === "full") this.#move({ kind: "full", value });
  }

  /** Ends the reader; with an error, it throws. An unread value is dropped. Only the first call counts. */
  end(error?: Error): void {
    if (this.#state.kind === "ended" || this.#state.kind === "failed") return;
    this.#move(error === undefined ? { kind: "ended" } : { kind: "failed", error });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void> {
    for (;;) {
      const state = this.#state;
      switch (state.kind) {
        case "empty":
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          break;
        case "full":
          this.#state = { kind: "empty" };
          yield state.value;
          break;
        case "ended":
          return;
        case "failed":
          throw state.error;
      }
    }
  }

  #move(state: State<Value>): void {
    this.#state = state;
    this.#wake?.();
    this.#wake = undefined;
  }
}
