import { CR, LF } from "../../messages/byte-tables.ts";
import { FramingFault } from "../framing-fault.ts";
import { type Http1Limits, limitFault } from "../http1-limits.ts";

/** The position of a complete head. */
export interface CollectedHead {
  readonly buffer: Buffer;
  readonly start: number;
  /** After the empty line; in a head with a bare LF, two bytes after that LF, where scanning finds a fault. */
  readonly end: number;
  /** How much of the last pushed chunk belongs to the head and to what precedes it. */
  readonly consumed: number;
}

/** A kind of head. */
export interface HeadKind {
  /** The limit of its size. */
  readonly limit: "maxRequestHeadBytes" | "maxResponseHeadBytes";
  /** Whether empty lines before the head are skipped (RFC 9112 §2.2: requests). */
  readonly allowsEmptyLines: boolean;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const FIRST_CAPACITY = 1024;
/** RFC 9112 §2.2 asks for at least one; a client that sends more does not send a request. */
const MAX_EMPTY_LINES = 16;

/**
 * Collects a complete head. A head that arrives in one piece is not copied. In a head that arrives in many, each byte
 * is copied and examined once, so that a client gains nothing by sending single bytes.
 */
export class HeadCollector {
  readonly #kind: HeadKind;
  readonly #limits: Http1Limits;
  #store: Buffer | undefined;
  #length = 0;
  #walkedTo = 0;
  #emptyLines = 0;

  constructor(kind: HeadKind, limits: Http1Limits) {
    this.#kind = kind;
    this.#limits = limits;
  }

  /** Bytes of an incomplete head. */
  get bufferedBytes(): number {
    return this.#length;
  }

  /** The received part of an incomplete head. */
  get collected(): Buffer {
    return (this.#store ?? HEAD_END).subarray(0, this.#length);
  }

  /** Consumes a chunk; returns the head when it is complete. Bytes after `end` follow the head. */
  push(chunk: Buffer): CollectedHead | undefined {
    if (this.#endsEmptyLine(chunk)) return this.#pushBehindEmptyLine(chunk);
    if (this.#length === 0) {
      const start = this.#skipEmptyLines(chunk);
      const at = chunk.indexOf(HEAD_END, start);
      const end = at + HEAD_END.length;
      if (at >= 0 && end - start <= this.#limits[this.#kind.limit]) return { buffer: chunk, start, end, consumed: end };
      if (start > 0) return this.#collect(chunk.subarray(start), start);
    }
    return this.#collect(chunk, 0);
  }

  /** Discards what has been collected; the caller has taken the head. */
  clear(): void {
    this.#store = undefined;
    this.#length = 0;
    this.#walkedTo = 0;
    this.#emptyLines = 0;
  }

  /** An empty line whose CR came with the previous chunk. */
  #endsEmptyLine(chunk: Buffer): boolean {
    return this.#kind.allowsEmptyLines && this.#length === 1 && this.#store?.[0] === CR && chunk[0] === LF;
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
    while (this.#kind.allowsEmptyLines && bytes[start] === CR && bytes[start + 1] === LF) {
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

  /** Examines new line ends: for the empty line, for one without CR, and for a head that is too large. */
  #walk(): { readonly buffer: Buffer; readonly end: number } | undefined {
    const maxBytes = this.#limits[this.#kind.limit];
    const buffer = (this.#store ?? HEAD_END).subarray(0, this.#length);
    const limit = Math.min(this.#length, maxBytes);
    for (let at = buffer.indexOf(LF, this.#walkedTo); at >= 0 && at < limit; ) {
      if (buffer[at - 1] !== CR || at === 0) return { buffer, end: at + 3 };
      if (at >= 3 && buffer[at - 2] === LF) return { buffer, end: at + 1 };
      at = buffer.indexOf(LF, at + 1);
    }
    this.#walkedTo = this.#length;
    if (this.#length < maxBytes) return undefined;
    throw limitFault("head_too_large", this.#kind.limit, this.#limits);
  }
}
