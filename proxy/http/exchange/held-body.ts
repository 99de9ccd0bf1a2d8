/**
 * What of a request's body has arrived: waiting for its connection, or kept in case the request must be sent again.
 * Holds the chunks as they came, without copying them.
 */
export class HeldBody {
  #maxBytes = 0;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #sent = 0;
  #isComplete = true;

  /** So much of what has been sent is kept at most; before this is called, nothing. */
  keepUpTo(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Whether everything that was sent can be sent again. */
  get isReplayable(): boolean {
    return this.#isComplete;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Notes that a chunk went straight through. */
  passed(chunk: Buffer): void {
    if (!this.#isComplete) return;
    if (this.#bytes + chunk.length > this.#maxBytes) {
      this.#drop();
      return;
    }
    this.add(chunk);
    this.#sent = this.#chunks.length;
  }

  /** What is to be sent next; it counts as sent. */
  takeUnsent(): readonly Buffer[] {
    const unsent = this.#chunks.slice(this.#sent);
    this.#sent = this.#chunks.length;
    if (unsent.length > 0 && this.#bytes > this.#maxBytes) this.#drop();
    return unsent;
  }

  /** Everything is to be sent again. */
  rewind(): void {
    this.#sent = 0;
  }

  #drop(): void {
    this.#isComplete = false;
    this.#chunks = [];
    this.#bytes = 0;
    this.#sent = 0;
  }
}
