type State =
  | { readonly kind: "open" }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly error: Error };

/** Wakes the writer of a stream when there may be something to send, and tells it when the stream is over. */
export class Outbox {
  #state: State = { kind: "open" };
  #isReady = false;
  #wake: (() => void) | undefined;

  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  /** There may be something to send. */
  notify(): void {
    this.#isReady = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Ends the writer; with an error, it throws. Only the first call counts. */
  end(error?: Error): void {
    if (!this.isOpen) return;
    this.#state = error === undefined ? { kind: "ended" } : { kind: "failed", error };
    this.notify();
  }

  /** Whether to send: waits for the next notification, and returns false at the end. Throws if the stream has failed. */
  async ready(): Promise<boolean> {
    if (!this.#isReady) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isReady = false;
    if (this.#state.kind === "failed") throw this.#state.error;
    return this.isOpen;
  }
}
