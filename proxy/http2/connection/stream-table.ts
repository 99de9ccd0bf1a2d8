import { MAX_STREAM_ID } from "../frames/frame-types.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** Frames on a stream without an entry: nobody opened it, it was reset a short while ago, or it ended. */
export type AbsentStream = "idle" | "reset" | "ended";

/** How many reset streams are remembered: late frames on them are ignored (RFC 9113 §5.4.2). */
const REMEMBERED_RESETS = 256;

/**
 * The streams of one connection. Only the client opens streams, because push is disabled. Memory: the open streams, and
 * the numbers of the last 256 reset ones.
 */
export class StreamTable<Context> {
  /**
   * In the order of their numbers, found by bisection. Not a Map: one that changes with each request makes V8 keep its
   * earlier tables, with the streams in them, until the next full collection.
   */
  readonly #live: Http2Stream<Context>[] = [];
  readonly #resets = new Set<number>();
  /** All streams up to this number may have been reset and forgotten. */
  #forgottenId = 0;
  /** Reset streams whose work goes on. */
  #held = 0;
  #lastId = 0;

  /** The highest stream that was opened, else 0. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Streams with an entry. */
  get size(): number {
    return this.#live.length;
  }

  /** Streams that count against MAX_CONCURRENT_STREAMS. */
  get active(): number {
    return this.#live.length + this.#held;
  }

  /** The client's next stream; `undefined` when the numbers are used up (RFC 9113 §5.1.1). */
  get nextId(): number | undefined {
    const next = this.#lastId === 0 ? 1 : this.#lastId + 2;
    return next > MAX_STREAM_ID ? undefined : next;
  }

  get(id: number): Http2Stream<Context> | undefined {
    const stream = this.#live[this.#placeOf(id)];
    return stream?.id === id ? stream : undefined;
  }

  /** The open streams, in the order in which they began: a list of its own, from which none is removed. */
  values(): readonly Http2Stream<Context>[] {
    return [...this.#live];
  }

  /** Whether the client may open this stream now: odd and higher than all before. */
  isNew(id: number): boolean {
    return id % 2 === 1 && id > this.#lastId;
  }

  /** Notes that a stream was opened, whether or not it gets an entry; all lower ones are closed by that. */
  open(id: number): void {
    this.#lastId = id;
  }

  /** Adds the stream that was opened last. */
  add(stream: Http2Stream<Context>): void {
    this.#live.push(stream);
  }

  remove(stream: Http2Stream<Context>): void {
    const live = this.#live;
    const place = this.#placeOf(stream.id);
    if (live[place] !== stream) return;
    // `splice` would make a list of what it removes.
    for (let at = place + 1; at < live.length; at += 1) live[at - 1] = live[at] ?? stream;
    live.pop();
  }

  rememberReset(id: number): void {
    this.#resets.add(id);
    if (this.#resets.size <= REMEMBERED_RESETS) return;
    const [oldest = 0] = this.#resets;
    this.#resets.delete(oldest);
    this.#forgottenId = Math.max(this.#forgottenId, oldest);
  }

  /** What a stream without an entry is. */
  absent(id: number): AbsentStream {
    if (id % 2 === 0 || id > this.#lastId) return "idle";
    return this.#resets.has(id) || id <= this.#forgottenId ? "reset" : "ended";
  }

  hold(stream: Http2Stream<Context>): void {
    stream.isHeld = true;
    this.#held += 1;
  }

  releaseHold(stream: Http2Stream<Context>): void {
    if (!stream.isHeld) return;
    stream.isHeld = false;
    this.#held -= 1;
  }

  /** Where the stream is in the list or, if it is not there, the next one. */
  #placeOf(id: number): number {
    const live = this.#live;
    let low = 0;
    let high = live.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((live[middle]?.id ?? id) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
