/** How many streams a server surely takes on one connection, whatever it allows. */
export class StreamAllowance {
  /** Fulfilled when the server has announced its limit, or the connection has closed. */
  readonly settled: Promise<void>;
  readonly #settle: () => void;
  /** RFC 9113 §6.5.2 has no limit before SETTINGS, but a server may refuse what is above the one that it announces. */
  #most = 1;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.settled = promise;
    this.#settle = resolve;
  }

  get most(): number {
    return this.#most;
  }

  /** Its SETTINGS have arrived: what they allow counts. */
  noteSettings(): void {
    this.#most = Number.POSITIVE_INFINITY;
    this.#settle();
  }

  /** A stream was refused. The server gets no more than it has, and one more for each response. */
  noteRefused(load: number): void {
    this.#most = Math.max(1, load);
  }

  noteServed(): void {
    this.#most += 1;
  }

  noteClosed(): void {
    this.#settle();
  }
}
