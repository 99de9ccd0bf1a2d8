import { CR, LF } from "./byte-tables.ts";
import { FramingFault } from "./framing-fault.ts";

/** Where a whole head lies. */
export interface CollectedHead {
  readonly buffer: Buffer;
  readonly start: number;
  /** Behind the empty line; in a head with a bare LF, two behind that LF, and scanning it finds a fault. */
  readonly end: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const FIRST_CAPACITY = 1024;

/**
 * Waits for the whole of a head. A head that comes in one piece is not copied. Of one that comes in many, each byte is
 * copied once and looked at once, so that a client that sends single bytes gains nothing by it.
 */
export class HeadCollector {
  readonly #maxBytes: number;
  readonly #allowsEmptyLine: boolean;
  #store: Buffer | undefined;
  #length = 0;
  #walkedTo = 0;

  /** @param allowsEmptyLine whether one empty line before the head is skipped (RFC 9112 §2.2: requests). */
  constructor(maxBytes: number, allowsEmptyLine: boolean) {
    this.#maxBytes = maxBytes;
    this.#allowsEmptyLine = allowsEmptyLine;
  }

  /** Bytes that wait for the rest of their head. */
  get bufferedBytes(): number {
    return this.#length;
  }

  /** Takes a chunk; gives the head when it is whole. What lies behind `end` belongs to what follows the head. */
  push(chunk: Buffer): CollectedHead | undefined {
    if (this.#length === 0) {
      const start = this.#startOf(chunk);
      const at = chunk.indexOf(HEAD_END, start);
      if (at >= 0 && at + HEAD_END.length - start <= this.#maxBytes) {
        return { buffer: chunk, start, end: at + HEAD_END.length };
      }
    }
    this.#append(chunk);
    return this.#walk();
  }

  /** Forgets what has been collected; the caller has taken the head. */
  clear(): void {
    this.#store = undefined;
    this.#length = 0;
    this.#walkedTo = 0;
  }

  #startOf(bytes: Buffer): number {
    return this.#allowsEmptyLine && bytes[0] === CR && bytes[1] === LF ? 2 : 0;
  }

  #append(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (this.#store === undefined || this.#store.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_CAPACITY, needed, (this.#store?.length ?? 0) * 2));
      this.#store?.copy(grown, 0, 0, this.#length);
      this.#store = grown;
    }
    chunk.copy(this.#store, this.#length);
    this.#length = needed;
  }

  /** Looks at the line ends that are new: for the empty line, for one without its CR, for a head that is too large. */
  #walk(): CollectedHead | undefined {
    const buffer = (this.#store ?? HEAD_END).subarray(0, this.#length);
    const start = this.#startOf(buffer);
    const limit = Math.min(this.#length, start + this.#maxBytes);
    for (let at = buffer.indexOf(LF, Math.max(this.#walkedTo, start)); at >= 0 && at < limit; ) {
      if (buffer[at - 1] !== CR || at === start) return { buffer, start, end: at + 3 };
      if (at - start >= 3 && buffer[at - 2] === LF) return { buffer, start, end: at + 1 };
      at = buffer.indexOf(LF, at + 1);
    }
    this.#walkedTo = this.#length;
    if (this.#length - start < this.#maxBytes) return undefined;
    throw new FramingFault("head_too_large", `a head of more than ${this.#maxBytes} bytes`);
  }
}
