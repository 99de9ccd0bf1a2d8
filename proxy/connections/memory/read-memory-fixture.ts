/** For tests: memory that is overwritten before it is freed, and a socket whose writes complete when the test says so. */
import { Duplex } from "node:stream";

const POISON = 0xdb;

/** What was freed since `poisonFreedMemory`. */
export interface FreedMemory {
  readonly bytes: number;
  restore(): void;
}

/** From now on memory is overwritten before it is freed: who still reads it, sees that. */
export function poisonFreedMemory(): FreedMemory {
  const { transfer } = ArrayBuffer.prototype;
  let bytes = 0;
  ArrayBuffer.prototype.transfer = function poisoned(this: ArrayBuffer, length?: number): ArrayBuffer {
    bytes += this.byteLength;
    new Uint8Array(this).fill(POISON);
    return transfer.call(this, length);
  };
  return {
    get bytes() {
      return bytes;
    },
    restore: () => {
      ArrayBuffer.prototype.transfer = transfer;
    },
  };
}

/** Bytes in memory of their own, as Node reads them from a socket. */
export function readOf(bytes: Uint8Array): Buffer {
  const own = Buffer.from(new ArrayBuffer(bytes.length));
  own.set(bytes);
  return own;
}

interface PendingWrite {
  readonly chunks: readonly Buffer[];
  readonly before: Buffer;
  readonly done: (error?: Error | null) => void;
}

/** A socket whose peer reads only when the test lets it. Like the kernel, it reads written memory until the last moment. */
export class DeferredSocket extends Duplex {
  readonly #received: Buffer[] = [];
  #pending: PendingWrite | undefined;
  /** Whether memory changed while it was being written. */
  wasCorrupted = false;

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: 16_384 });
  }

  /** What the peer has read. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** The peer reads what is being written. @param error the write fails instead. @returns whether there was anything. */
  complete(error?: Error): boolean {
    const pending = this.#pending;
    if (pending === undefined) return false;
    this.#pending = undefined;
    const now = Buffer.concat(pending.chunks);
    if (!now.equals(pending.before)) this.wasCorrupted = true;
    if (error === undefined) this.#received.push(now);
    pending.done(error ?? null);
    return true;
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#begin([chunk], done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#begin(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #begin(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    this.#pending = { chunks, before: Buffer.concat(chunks), done };
  }
}
