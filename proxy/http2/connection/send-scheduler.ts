import { DEFAULT_WINDOW_BYTES, FLAG, FRAME, MAX_DATA_BYTES, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import type { OutputSlab } from "../frames/output-slab.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** What the scheduler reports while it writes. */
export interface SendObserver<Context> {
  /** All queued bytes of the stream are written, `endsStream` with the last frame. `queueEnd` may have trailers. */
  onQueueEmpty(stream: Http2Stream<Context>): void;
  /** A DATA frame was written. @param isCut a window ended it before the queue did. */
  onSentData(stream: Http2Stream<Context>, bytes: number, isCut: boolean): void;
}

/** Content that may leave before its stream's turn, in bytes. */
const MAX_SHORT_BYTES = 4096;

/** Output that waits, in bytes; with more, the socket is slow, and short content waits for its turn. */
const MAX_WAITING_BYTES = 16_384;

/**
 * Cuts the queued bytes of streams into DATA frames: one frame of a stream in turn, as far as both windows allow (RFC
 * 9113 §6.9). Small pieces of a stream share a frame. Empty DATA is not its business.
 */
export class SendScheduler<Context> {
  #window = DEFAULT_WINDOW_BYTES;
  /** Streams with queued bytes and an open window. */
  #ring: Http2Stream<Context>[] = [];
  #ringHead = 0;

  /** Bytes that the peer allows on the connection. */
  get window(): number {
    return this.#window;
  }

  /** Whether `fill` would write something. */
  get hasWork(): boolean {
    return this.#window > 0 && this.#ringHead < this.#ring.length;
  }

  /** @returns false: over 2^31-1, FLOW_CONTROL_ERROR (RFC 9113 §6.9.1). */
  enlargeWindow(increment: number): boolean {
    if (this.#window + increment > MAX_WINDOW_BYTES) return false;
    this.#window += increment;
    return true;
  }

  /** Queues bytes of a stream; they must not change until they are sent. */
  queue(stream: Http2Stream<Context>, bytes: Buffer): void {
    stream.queue.push(bytes);
    stream.queuedBytes += bytes.length;
    this.schedule(stream);
  }

  /** Puts a stream into the ring, if it can send: after its queue or its window grew. */
  schedule(stream: Http2Stream<Context>): void {
    if (stream.isScheduled || stream.queuedBytes === 0 || stream.sendWindow <= 0) return;
    stream.isScheduled = true;
    this.#ring.push(stream);
  }

  /** Forgets what a stream has queued. */
  drop(stream: Http2Stream<Context>): void {
    stream.queue = [];
    stream.queueHead = 0;
    stream.queuedBytes = 0;
  }

  /** Writes DATA frames until the slab has `budget` bytes, or nothing more may be sent. */
  fill(slab: OutputSlab, budget: number, observer: SendObserver<Context>): void {
    while (slab.bytes < budget && this.hasWork) {
      const stream = this.#next();
      if (stream === undefined || stream.queuedBytes === 0 || stream.sendWindow <= 0) continue;
      this.#writeFrame(slab, stream, observer);
      this.schedule(stream);
    }
  }

  /**
   * Writes the whole content of a stream at once, behind its head, if it is short and no other stream waits for its turn:
   * a peer that receives both in one piece can forward them in one. Its end must be known. Does nothing otherwise.
   */
  writeShort(slab: OutputSlab, stream: Http2Stream<Context>, observer: SendObserver<Context>): void {
    const bytes = stream.queuedBytes;
    if (bytes > MAX_SHORT_BYTES || bytes > stream.sendWindow || bytes > this.#window) return;
    const isNext = this.#ringHead === this.#ring.length - 1 && this.#ring[this.#ringHead] === stream;
    if (isNext && slab.bytes < MAX_WAITING_BYTES) this.fill(slab, MAX_WAITING_BYTES, observer);
  }

  #next(): Http2Stream<Context> | undefined {
    const stream = this.#ring[this.#ringHead];
    this.#ringHead += 1;
    if (this.#ringHead === this.#ring.length) {
      this.#ring = [];
      this.#ringHead = 0;
    } else if (this.#ringHead >= 1024) {
      this.#ring = this.#ring.slice(this.#ringHead);
      this.#ringHead = 0;
    }
    if (stream !== undefined) stream.isScheduled = false;
    return stream;
  }

  #writeFrame(slab: OutputSlab, stream: Http2Stream<Context>, observer: SendObserver<Context>): void {
    const length = Math.min(MAX_DATA_BYTES, stream.queuedBytes, stream.sendWindow, this.#window);
    const isWhole = length === stream.queuedBytes;
    const ends = isWhole && stream.queueEnd.kind === "end";
    slab.header({ length, type: FRAME.data, flags: ends ? FLAG.endStream : 0, streamId: stream.id });
    appendQueued(slab, stream, length);
    stream.sendWindow -= length;
    this.#window -= length;
    observer.onSentData(stream, length, !isWhole && length < MAX_DATA_BYTES);
    if (isWhole) observer.onQueueEmpty(stream);
  }
}

function appendQueued<Context>(slab: OutputSlab, stream: Http2Stream<Context>, length: number): void {
  let missing = length;
  while (missing > 0) {
    const piece = stream.queue[stream.queueHead];
    if (piece === undefined) return;
    if (piece.length <= missing) {
      stream.queueHead += 1;
      // Before it is appended: its memory may be freed then, and its length with it.
      missing -= piece.length;
      slab.append(piece);
    } else {
      stream.queue[stream.queueHead] = piece.subarray(missing);
      slab.append(piece.subarray(0, missing));
      missing = 0;
    }
  }
  stream.queuedBytes -= length;
  if (stream.queueHead < stream.queue.length && stream.queueHead < 64) return;
  stream.queue = stream.queue.slice(stream.queueHead);
  stream.queueHead = 0;
}
