import type { Trailers } from "../../messages/fields.ts";

/** A piece of a body: which of the pushed bytes may be forwarded. */
export interface BodyStep {
  /** Bytes to forward, with their framing; `undefined` if the step only consumed bytes. */
  readonly bytes: Buffer | undefined;
  /** Where content lies in `bytes`, as in `BodyPiece`. */
  readonly ranges?: readonly number[];
  /** To forward after `bytes`, instead of a line that is replaced by its canonical form. */
  readonly plainLine?: Buffer;
  /** How much of the chunk has been consumed. */
  readonly consumed: number;
  readonly isDone: boolean;
}

/** Finds the end of one body. */
export interface BodyScanner {
  /** The body's content so far, without framing. */
  readonly contentBytes: number;
  /** Of a body that is done; `undefined`: none. */
  readonly trailers: Trailers | undefined;
  /** Consumes bytes of `chunk` from `at`; called again with the rest until the body is done. */
  step(chunk: Buffer, at: number): BodyStep;
}

/** A body of a known length (RFC 9112 §6.2). */
export class LengthScanner implements BodyScanner {
  #left: number;
  contentBytes = 0;
  readonly trailers = undefined;

  constructor(length: number) {
    this.#left = length;
  }

  step(chunk: Buffer, at: number): BodyStep {
    const length = Math.min(this.#left, chunk.length - at);
    this.#left -= length;
    this.contentBytes += length;
    const bytes = slice(chunk, at, at + length);
    return { bytes, consumed: length, isDone: this.#left === 0 };
  }
}

/** A body that ends with its connection. */
export class UntilCloseScanner implements BodyScanner {
  contentBytes = 0;
  readonly trailers = undefined;

  step(chunk: Buffer, at: number): BodyStep {
    const length = chunk.length - at;
    this.contentBytes += length;
    const bytes = slice(chunk, at, chunk.length);
    return { bytes, consumed: length, isDone: false };
  }
}

/** A view, or the chunk itself if it covers the whole chunk. */
export function slice(chunk: Buffer, start: number, end: number): Buffer | undefined {
  if (start === end) return undefined;
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}
