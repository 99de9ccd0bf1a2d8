import type { Socket } from "node:net";
import { writeLent } from "../connections/memory/read-memory.ts";

/** The part of an HTTP/2 engine that has output. */
export interface OutputSource {
  readonly activeStreams: number;
  readonly hasOutput: boolean;
  takeOutput(budget: number): readonly Buffer[];
}

/** How much may wait in the socket, in bytes: with more, TCP would become the queue of all streams. */
const MAX_UNSENT_BYTES = 65_536;
const MIN_BUDGET_BYTES = 16_384;

/** With so many, more of them have output after the next poll. */
const MANY_STREAMS = 8;

/**
 * Writes an engine's output to its socket, while that has room. With one active stream at once, with several after all
 * sockets of one poll have been read, with many after the next poll: then frames of many streams share a packet, a TLS
 * record and a system call.
 */
export class Http2Output {
  readonly #socket: Socket;
  readonly #source: OutputSource;
  readonly #onTaken: () => void;
  #isScheduled = false;
  #isHeld = false;
  #isStopped = false;

  /** @param onTaken called after output was taken, which may have produced events. Must not throw. */
  constructor(socket: Socket, source: OutputSource, onTaken: () => void) {
    this.#socket = socket;
    this.#source = source;
    this.#onTaken = onTaken;
  }

  /** While input is being handled nothing is written; what it caused leaves together. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.request();
  }

  /** There may be output. */
  request(): void {
    if (this.#isHeld || this.#isScheduled || this.#isStopped || !this.#source.hasOutput) return;
    if (this.#source.activeStreams <= 1) {
      this.flush();
      return;
    }
    this.#isScheduled = true;
    setImmediate(this.#onTurn);
  }

  /** Writes what there is room for; the rest follows when the socket has drained. */
  flush(): void {
    const socket = this.#socket;
    while (!this.#isStopped && this.#source.hasOutput && !socket.writableNeedDrain) {
      writeLent(socket, this.#source.takeOutput(Math.max(MIN_BUDGET_BYTES, MAX_UNSENT_BYTES - socket.writableLength)));
      this.#onTaken();
    }
  }

  /** Nothing more is written. */
  stop(): void {
    this.#isStopped = true;
  }

  readonly #onTurn = (): void => {
    if (this.#source.activeStreams >= MANY_STREAMS) setImmediate(this.#onSecondTurn);
    else this.#onSecondTurn();
  };

  readonly #onSecondTurn = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
}
