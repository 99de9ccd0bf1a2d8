import { returnMemory } from "../../connections/memory/read-memory.ts";

/** Pieces below this size are joined. */
const SMALL_BYTES = 1024;

/** So many small pieces in a row become one. */
const MAX_SMALL_RUN = 64;

/**
 * The content of a stream that has arrived and was not yet handed on. Many streams share one read, so a piece that is
 * kept must not keep the whole read, and thousands of small frames must not become thousands of buffers: memory stays
 * in proportion to the bytes, which the stream's window bounds.
 */
export class StreamInput {
  #pieces: Buffer[] = [];
  #smallRun = 0;

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** @param bytes a view of what was read. */
  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#smallRun = bytes.length < SMALL_BYTES ? this.#smallRun + 1 : 0;
    this.#pieces.push(bytes.length * 4 < bytes.buffer.byteLength ? copyOf(bytes) : bytes);
    if (this.#smallRun === MAX_SMALL_RUN) this.#joinLast(MAX_SMALL_RUN);
  }

  /** All pieces, in order; a rest of small ones is joined. */
  take(): readonly Buffer[] {
    if (this.#smallRun > 1) this.#joinLast(this.#smallRun);
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#smallRun = 0;
    return pieces;
  }

  #joinLast(count: number): void {
    const last = this.#pieces.splice(-count);
    this.#pieces.push(Buffer.concat(last));
    for (const bytes of last) returnMemory(bytes);
    this.#smallRun = 0;
  }
}

/** Not from Node's pool, of which one small piece would keep 8 KB. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  returnMemory(bytes);
  return copy;
}
