import { FramingFault } from "../framing-fault.ts";
import { CR, LF } from "./byte-tables.ts";

/** Where a whole head lies. */
export interface CollectedHead {
  readonly buffer: Buffer;
  readonly start: number;
  /** Behind the empty line; in a head with a bare LF, two behind that LF, and scanning it finds a fault. */
  readonly end: number;
  /** How much of the chunk that was pushed last belongs to the head and to what stands before it. */
  readonly consumed: number;
}

export interface HeadCollectorOptions {
  readonly maxBytes: number;
  /** The fault of a head that is larger. */
  readonly tooLarge: () => FramingFault;
  /** Whether empty lines before the head are skipped (RFC 9112 §2.2: requests). */
  readonly allowsEmptyLines: boolean;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const FIRST_CAPACITY = 1024;
/** RFC 9112 §2.2 asks for at least one; a client that sends more than these sends no request. */
const MAX_EMPTY_LINES = 16;

/**
 * Waits for the whole of a head. A head that comes in one piece is not copied. Of one that comes in many, each byte is
 * copied once and looked at once, so that a client that sends single bytes gains nothing by it.
 */
export class HeadCollector {
  readonly #options: HeadCollectorOptions;
  #store: Buffer | undefined;
  #length = 0;
  #walkedTo = 0;
  #emptyLines = 0;

  constructor(options: HeadCollectorOptions) {
    this.#options = options;
  }

  /** Bytes that wait for the rest of their head. */
  get bufferedBytes(): number {
    return this.#length;
  }

  /** What has come of a head that is not whole. */
  get collected(): Buffer {
    return (this.#store ?? HEAD_END).subarray(0, this.#length);
  }

  /** Takes a chunk; gives the head when it is whole. What lies behind `end` belongs to what follows the head. */
  push(chunk: Buffer): CollectedHead | undefined {
    if (this.#endsEmptyLine(chunk)) return this.#pushBehindEmptyLine(chunk);
    if (this.#length === 0) {
      const start = this.#skipEmptyLines(chunk);
      const at = chunk.indexOf(HEAD_END, start);
      const end = at + HEAD_END.length;
      if (at >= 0 && end - start <= this.#options.maxBytes) return { buffer: chunk, start, end, consumed: end };
      if (start > 0) return this.#collect(chunk.subarray(start), start);
    }
    return this.#collect(chunk, 0);
  }

  /** Forgets what has been collected; the caller has taken the head. */
  clear(): void {
    this.#store = undefined;
    this.#length = 0;
    this.#walkedTo = 0;
    this.#emptyLines = 0;
  }

  /** An empty line whose CR came with the chunk before. */
  #endsEmptyLine(chunk: Buffer): boolean {
    return this.#options.allowsEmptyLines && this.#length === 1 && this.#store?.[0] === CR && chunk[0] === LF;
  }

  #pushBehindEmptyLine(chunk: Buffer): CollectedHead | undefined {
    const emptyLines = this.#emptyLines;
    this.clear();
    this.#emptyLines = emptyLines;
    this.#countEmptyLine();
    const collected = this.push(chunk.subarray(1));
    return collected && { ...collected, consumed: collected.consumed + 1 };
  }

  #skipEmptyLines(bytes: Buffer): number {
    let start = 0;
    while (this.#options.allowsEmptyLines && bytes[start] === CR && bytes[start + 1] === LF) {
      start += 2;
      this.#countEmptyLine();
    }
    return start;
  }

  #countEmptyLine(): void {
    this.#emptyLines += 1;
    if (this.#emptyLines <= MAX_EMPTY_LINES) return;
    throw new FramingFault("bad_start_line", `more than ${MAX_EMPTY_LINES} empty lines before a request`);
  }

  /** @param skipped bytes of the pushed chunk before this part of it. */
  #collect(part: Buffer, skipped: number): CollectedHead | undefined {
    const before = this.#length;
    if (part.length > 0) this.#append(part);
    const found = this.#walk();
    return found && { ...found, start: 0, consumed: skipped + found.end - before };
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
  #walk(): { readonly buffer: Buffer; readonly end: number } | undefined {
    const { maxBytes, tooLarge } = this.#options;
    const buffer = (this.#store ?? HEAD_END).subarray(0, this.#length);
    const limit = Math.min(this.#length, maxBytes);
    for (let at = buffer.indexOf(LF, this.#walkedTo); at >= 0 && at < limit; ) {
      if (buffer[at - 1] !== CR || at === 0) return { buffer, end: at + 3 };
      if (at >= 3 && buffer[at - 2] === LF) return { buffer, end: at + 1 };
      at = buffer.indexOf(LF, at + 1);
    }
    this.#walkedTo = this.#length;
    if (this.#length < maxBytes) return undefined;
    throw tooLarge();
  }
}
