import type { Http2Limits } from "../http2-limits.ts";
import { TokenBucket } from "./token-bucket.ts";

/** What each event costs of `Http2Limits.overhead`. */
export const OVERHEAD = { frame: 1, emptyData: 10, malformed: 10 } as const;

/** WINDOW_UPDATE frames without cost: for each stream, and for each DATA frame that we send (as Envoy counts them). */
const UPDATES_PER_STREAM = 2;
const UPDATES_PER_DATA_FRAME = 10;
const MAX_FREE_UPDATES = 10_000;

/** A DATA frame that a window cut to less than this is the sign of a dribbling peer (CVE-2019-9511). */
const DRIBBLE_BYTES = 256;

/** Counts what a peer can make us do for little. Each method returns false when the peer has gone too far. */
export class FloodGuard {
  readonly #resets: TokenBucket;
  readonly #overhead: TokenBucket;
  readonly #maxQueuedReplies: number;
  #freeUpdates = 100;
  #queuedReplies = 0;

  constructor(limits: Http2Limits, nowMs: number) {
    this.#resets = new TokenBucket(limits.resets, nowMs);
    this.#overhead = new TokenBucket(limits.overhead, nowMs);
    this.#maxQueuedReplies = limits.maxQueuedReplies;
  }

  /** A stream was reset by the peer, or by us because of the peer. */
  countReset(nowMs: number): boolean {
    return this.#resets.take(1, nowMs);
  }

  /** A frame that carries nothing. */
  countOverhead(cost: number, nowMs: number): boolean {
    return this.#overhead.take(cost, nowMs);
  }

  /** A stream began. */
  countStream(): void {
    this.#overhead.give();
    this.#freeUpdates = Math.min(MAX_FREE_UPDATES, this.#freeUpdates + UPDATES_PER_STREAM);
  }

  /** Content came. */
  countContent(): void {
    this.#overhead.give();
  }

  countWindowUpdate(nowMs: number): boolean {
    if (this.#freeUpdates === 0) return this.#overhead.take(OVERHEAD.frame, nowMs);
    this.#freeUpdates -= 1;
    return true;
  }

  /** We sent a DATA frame. @param isCut a window ended it before the queue did. */
  countSentData(bytes: number, isCut: boolean, nowMs: number): boolean {
    if (isCut && bytes < DRIBBLE_BYTES) return this.#overhead.take(OVERHEAD.frame, nowMs);
    this.#overhead.give();
    this.#freeUpdates = Math.min(MAX_FREE_UPDATES, this.#freeUpdates + UPDATES_PER_DATA_FRAME);
    return true;
  }

  /** A frame that answers one of the peer's waits to be sent. */
  countReply(): boolean {
    this.#queuedReplies += 1;
    return this.#queuedReplies <= this.#maxQueuedReplies;
  }

  /** All replies have been handed over. */
  repliesTaken(): void {
    this.#queuedReplies = 0;
  }
}
