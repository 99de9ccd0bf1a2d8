interface Listener<End> {
  readonly call: (end: End) => void;
  next: Listener<End> | undefined;
}

/**
 * How something ended, reported once. Listeners and not a promise: each connection has several, and they run at once, so
 * that what it held is free when the next event is handled. A list of three links is half as large as an array.
 */
export class Ending<End> {
  #end: { readonly value: End } | undefined;
  #first: Listener<End> | undefined;
  #last: Listener<End> | undefined;

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Later reports are ignored. */
  report(value: End): void {
    if (this.#end !== undefined) return;
    this.#end = { value };
    for (let listener = this.#first; listener !== undefined; listener = listener.next) listener.call(value);
    this.#first = undefined;
    this.#last = undefined;
  }

  /** Calls the listener once: at the end, or now if it is over. */
  onEnd(call: (end: End) => void): void {
    if (this.#end !== undefined) {
      call(this.#end.value);
      return;
    }
    const listener = { call, next: undefined };
    if (this.#last === undefined) this.#first = listener;
    else this.#last.next = listener;
    this.#last = listener;
  }
}
