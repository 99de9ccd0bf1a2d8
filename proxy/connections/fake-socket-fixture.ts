/** For tests: a socket without a network. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { DeferredSocket } from "./memory/read-memory-fixture.ts";

/** Tests push what the peer sends; what it receives, and in how many packets, is recorded. */
export class FakeSocket extends Duplex {
  /** What was written, one entry per packet. */
  readonly packets: Buffer[] = [];
  /** The buffers themselves that were written. */
  readonly chunks: Buffer[] = [];
  /** Whether it was ended with a reset. */
  wasReset = false;

  readonly #isStuck: boolean;

  /** @param options.isStuck its peer does not read: after one byte it has no room. */
  constructor({ isStuck = false }: { readonly isStuck?: boolean } = {}) {
    super({ allowHalfOpen: true, ...(isStuck ? { highWaterMark: 1 } : {}) });
    this.#isStuck = isStuck;
  }

  /** All that was written, as latin1. */
  get written(): string {
    return Buffer.concat(this.packets).toString("latin1");
  }

  resetAndDestroy(): this {
    this.wasReset = true;
    return this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // A copy: memory that is written may be freed.
    this.packets.push(Buffer.from(chunk));
    this.chunks.push(chunk);
    if (!this.#isStuck) done();
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    const buffers = chunks.map(({ chunk }) => chunk);
    this.packets.push(Buffer.concat(buffers));
    this.chunks.push(...buffers);
    if (!this.#isStuck) done();
  }
}

/** The part of a socket that HTTP needs is a stream's, and `resetAndDestroy`. */
export function asSocket(fake: FakeSocket | DeferredSocket): Socket {
  return fake as unknown as Socket;
}
