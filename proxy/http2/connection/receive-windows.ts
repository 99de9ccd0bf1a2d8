import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import type { OutputSlab } from "../frames/output-slab.ts";
import { writeWindowUpdate } from "../frames/write-frames.ts";
import type { Http2Limits } from "../http2-limits.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** Content that slow consumers hold beyond the connection's window, in bytes. With more, the connection waits for them. */
const MAX_ADVANCED_BYTES = 33_554_432;

/** Credit of a stream that waits for an update, in bytes, or half its window if that is less: what is held back limits it. */
const MAX_HELD_BYTES = 131_072;

/** Round trips are taken for no shorter than that. */
const MIN_ROUND_TRIP_MS = 0.1;

/** The connection's window is this many streams' windows, within its own limits. */
const STREAMS_PER_CONNECTION = 8;

/**
 * What the peer may send: the windows of the connection and its streams, and the credit that goes back to it (RFC 9113
 * §6.9). Windows grow while the peer waits for them for a round trip's time, and the consumers keep up. Where it is queues
 * that make round trips long, a larger window would only fill them.
 */
export class ReceiveWindows<Context> {
  readonly #limits: Http2Limits;
  /** Bytes that the peer may still send on the connection. */
  #window = DEFAULT_WINDOW_BYTES;
  #size: number;
  #credit = 0;
  /** The initial window of streams that the peer has acknowledged. */
  #initialStreamWindow = DEFAULT_WINDOW_BYTES;
  #streamSize: number;
  #due: Http2Stream<Context>[] = [];
  /** Bytes since the last probe was answered or, if one is out, since the read with which it began. */
  #sample = 0;
  /** Bytes of the present read. */
  #readBytes = 0;
  /** When the PING was sent that is out. */
  #probedMs: number | undefined;
  #shortestMs = Number.POSITIVE_INFINITY;
  /** Delivered and not consumed, of all streams. */
  #owed = 0;
  /** The part of it whose credit the connection already has. */
  #advanced = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
    this.#size = Math.max(DEFAULT_WINDOW_BYTES, limits.connectionWindowBytes);
    this.#streamSize = limits.streamWindowBytes;
  }

  /** The receive window of a new stream. */
  get initialStreamWindow(): number {
    return this.#initialStreamWindow;
  }

  /** The window to which streams grow at present. */
  get streamWindowBytes(): number {
    return this.#streamSize;
  }

  /** Bytes that the peer may still send on the connection. */
  get connectionWindow(): number {
    return this.#window;
  }

  /** Whether a PING is out that asks how much one round trip brings. */
  get isProbing(): boolean {
    return this.#probedMs !== undefined;
  }

  get hasUpdates(): boolean {
    return this.#due.length > 0 || this.#isConnectionDue();
  }

  /** Enlarges the connection's window from the protocol's initial size to ours. */
  start(slab: OutputSlab): void {
    this.#credit = this.#size - this.#window;
    this.#writeConnectionUpdate(slab);
  }

  /** The peer acknowledged our SETTINGS: its new streams, and those open, have our window (RFC 9113 §6.9.2). */
  acknowledge(streams: Iterable<Http2Stream<Context>>): void {
    const change = this.#limits.streamWindowBytes - this.#initialStreamWindow;
    this.#initialStreamWindow = this.#limits.streamWindowBytes;
    for (const stream of streams) {
      stream.receiveWindow += change;
      stream.windowSize += change;
      // What is credited by now may be due in the smaller window, and nothing more may come before it is written.
      this.#credited(stream, 0, 0);
    }
  }

  /** The next bytes of the peer are handled. */
  startRead(): void {
    this.#readBytes = 0;
  }

  /** Counts a DATA frame on the connection. @returns false: more than the window allowed. */
  receive(frameBytes: number): boolean {
    if (frameBytes > this.#window) return false;
    this.#window -= frameBytes;
    this.#sample += frameBytes;
    this.#readBytes += frameBytes;
    return true;
  }

  /** Counts a DATA frame on its stream, whose window allows it; the padding is returned at once. */
  receiveOnStream(stream: Http2Stream<Context>, frameBytes: number, dataBytes: number): void {
    stream.receiveWindow -= frameBytes;
    stream.owedBytes += dataBytes;
    this.#owed += dataBytes;
    const padding = frameBytes - dataBytes;
    if (padding > 0) this.#credited(stream, padding, padding);
  }

  /** Content of a stream was consumed. More than was delivered is ignored. */
  consume(stream: Http2Stream<Context>, bytes: number): void {
    const consumed = Math.min(bytes, stream.owedBytes);
    stream.owedBytes -= consumed;
    this.#owed -= consumed;
    const paid = this.#settleAdvance(stream, consumed);
    this.#credited(stream, consumed, consumed - paid);
  }

  /** Returns credit to the connection alone, for content that a slow consumer holds: its stream waits, no other does. */
  advance(stream: Http2Stream<Context>, bytes: number): void {
    const held = stream.owedBytes - stream.advancedBytes;
    const advanced = Math.max(0, Math.min(bytes, held, MAX_ADVANCED_BYTES - this.#advanced));
    stream.advancedBytes += advanced;
    this.#advanced += advanced;
    this.#credit += advanced;
  }

  /** Returns credit to the connection alone, for content that is dropped. */
  returnDropped(bytes: number): void {
    this.#credit += bytes;
  }

  /** Returns to the connection what a stream still owes. */
  forgive(stream: Http2Stream<Context>): void {
    this.#credit += stream.owedBytes - this.#settleAdvance(stream, stream.owedBytes);
    this.#owed -= stream.owedBytes;
    stream.owedBytes = 0;
  }

  /** Writes the WINDOW_UPDATE frames that are due. */
  writeUpdates(slab: OutputSlab): void {
    const due = this.#due;
    if (due.length > 0) {
      this.#due = [];
      for (const stream of due) this.#writeStreamUpdate(slab, stream);
    }
    if (this.#isConnectionDue()) this.#writeConnectionUpdate(slab);
  }

  /** Whether to send a PING now, to learn how much one round trip brings. */
  startProbe(nowMs: number): boolean {
    if (this.isProbing || this.#streamSize >= this.#limits.maxStreamWindowBytes) return false;
    if (this.#sample < this.#streamSize / 2) return false;
    this.#probedMs = nowMs;
    this.#sample = this.#readBytes;
    return true;
  }

  /**
   * The probe was answered: the windows double if a round trip without queues would bring a third of a stream's.
   *
   * A peer that waits for its window has sent half of it or more from the read that caused the probe until the reply: less
   * is held back here. What the updates beside the probe allow does not count, because the reply overtakes it.
   */
  endProbe(nowMs: number): void {
    const { maxStreamWindowBytes, maxConnectionWindowBytes, connectionWindowBytes } = this.#limits;
    const tripMs = Math.max(MIN_ROUND_TRIP_MS, nowMs - (this.#probedMs ?? nowMs));
    this.#shortestMs = Math.min(this.#shortestMs, tripMs);
    const isLimit = 3 * this.#sample * (this.#shortestMs / tripMs) >= this.#streamSize;
    const keepsUp = this.#owed <= this.#streamSize;
    this.#probedMs = undefined;
    this.#sample = 0;
    if (!isLimit || !keepsUp) return;
    this.#streamSize = Math.min(maxStreamWindowBytes, 2 * this.#streamSize);
    const wanted = Math.max(connectionWindowBytes, STREAMS_PER_CONNECTION * this.#streamSize);
    const size = Math.min(maxConnectionWindowBytes, wanted);
    if (size <= this.#size) return;
    this.#credit += size - this.#size;
    this.#size = size;
  }

  /** How much of a stream's content that is no longer held the connection has credit for. */
  #settleAdvance(stream: Http2Stream<Context>, bytes: number): number {
    const paid = Math.min(bytes, stream.advancedBytes);
    stream.advancedBytes -= paid;
    this.#advanced -= paid;
    return paid;
  }

  #credited(stream: Http2Stream<Context>, bytes: number, ofConnection: number): void {
    this.#credit += ofConnection;
    if (stream.life !== "open" || stream.remote === "ended") return;
    stream.creditBytes += bytes;
    if (stream.isCreditDue || stream.creditBytes < Math.min(stream.windowSize / 2, MAX_HELD_BYTES)) return;
    stream.isCreditDue = true;
    this.#due.push(stream);
  }

  #isConnectionDue(): boolean {
    return this.#credit >= this.#size / 2 || (this.#credit > 0 && this.#window < this.#size / 4);
  }

  #writeStreamUpdate(slab: OutputSlab, stream: Http2Stream<Context>): void {
    stream.isCreditDue = false;
    if (stream.life !== "open" || stream.remote === "ended") return;
    const growth = Math.max(0, this.#streamSize - stream.windowSize);
    const increment = stream.creditBytes + growth;
    stream.windowSize += growth;
    stream.creditBytes = 0;
    stream.receiveWindow += increment;
    writeWindowUpdate(slab, stream.id, increment);
  }

  #writeConnectionUpdate(slab: OutputSlab): void {
    const increment = Math.min(this.#credit, MAX_WINDOW_BYTES - this.#window);
    this.#credit -= increment;
    this.#window += increment;
    if (increment > 0) writeWindowUpdate(slab, 0, increment);
  }
}
