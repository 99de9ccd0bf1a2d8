/**
 * How something ended, reported once. Listeners and not a promise: each connection has several, and they run at once, so
 * that what it held is free when the next event is handled.
 */
export class Ending<End> {
  #end: { readonly value: End } | undefined;
  #listeners: readonly ((end: End) => void)[] = [];

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Later reports are ignored. */
  report(value: End): void {
    if (this.#end !== undefined) return;
    this.#end = { value };
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(value);
  }

  /** Calls the listener once: at the end, or now if it is over. */
  onEnd(listener: (end: End) => void): void {
    if (this.#end !== undefined) listener(this.#end.value);
    else this.#listeners = [...this.#listeners, listener];
  }
}
