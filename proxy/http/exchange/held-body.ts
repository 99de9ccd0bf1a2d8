/**
 * The part of a request's body that has arrived: waiting for its connection, or kept for a retry. Holds the chunks
 * without copying them.
 */
export class HeldBody {
  #maxBytes = 0;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #sent = 0;
  #isComplete = true;

  /** Keeps at most this much of what has been sent; by default nothing. */
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

  /** Records a chunk that was sent directly. */
  passed(chunk: Buffer): void {
    if (!this.#isComplete) return;
    if (this.#bytes + chunk.length > this.#maxBytes) {
      this.#drop();
      return;
    }
    this.add(chunk);
    this.#sent = this.#chunks.length;
  }

  /** Takes what has not been sent; it then counts as sent. */
  takeUnsent(): readonly Buffer[] {
    const unsent = this.#chunks.slice(this.#sent);
    this.#sent = this.#chunks.length;
    if (unsent.length > 0 && this.#bytes > this.#maxBytes) this.#drop();
    return unsent;
  }

  /** Marks everything as unsent. */
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
