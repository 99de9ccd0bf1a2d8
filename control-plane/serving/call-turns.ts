import type { Clock } from "../../mesh/runtime.ts";
import { ClientTurns } from "../../net/client-turns.ts";
import type { CallOf } from "./control-plane-metrics.ts";

export interface CallTurnLimits {
  /** Calls that wait for their turn, of callers with a certificate, and as many of those without one. */
  readonly maxWaitingCalls: number;
}

export interface CallTurnsOptions {
  readonly limits: CallTurnLimits;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** How many wait now, whenever that changes. */
  readonly onWaiting: (peer: CallOf, calls: number) => void;
}

export interface WaitingCall {
  /** As `formatCaller`. */
  readonly caller: string;
  readonly peer: CallOf;
  /** Begins the call. */
  readonly serve: () => void;
  /** Refuses it instead, because too many wait. */
  readonly refuse: () => void;
}

/** How long calls are begun before connections, streams and probes are served again. */
const SLICE_MS = 5;
/** After a turn of the event loop that took long, such as with a thousand handshakes: this part of that time. */
const SLICE_SHARE = 1 / 4;
/** A call takes most of a millisecond. */
const MAX_CALLS_OF_SLICE = 512;

/**
 * Begins calls in turn: one of each caller before the second of any, and those of callers with and without a certificate by
 * turns. So a flood by many callers, each within its rate, delays another one's call by one round, and new pods, of which
 * many may share an address, by no more than half of the time. Between calls other work gets its share of the event loop.
 * When too many wait, the caller with the most loses its newest.
 */
export class CallTurns {
  readonly #options: CallTurnsOptions;
  readonly #waiting = { verified: new ClientTurns<WaitingCall>(), unverified: new ClientTurns<WaitingCall>() };
  #next: CallOf = "verified";
  #isBegun = false;
  #sliceEndsMs = 0;
  #othersSinceMs = 0;

  constructor(options: CallTurnsOptions) {
    this.#options = options;
  }

  add(call: WaitingCall): void {
    const { limits, onWaiting } = this.#options;
    const waiting = this.#waiting[call.peer];
    waiting.push(call.caller, call);
    if (waiting.size > limits.maxWaitingCalls) waiting.dropFromLongest()?.refuse();
    onWaiting(call.peer, waiting.size);
    if (this.#isBegun) return;
    this.#isBegun = true;
    this.#othersSinceMs = this.#options.clock.monotonicMs();
    this.#beginSlice();
  }

  /** Each of these immediates is followed by what it has caused, so that the next one sees how long a call takes. */
  #beginSlice(): void {
    const { verified, unverified } = this.#waiting;
    const calls = Math.min(verified.size + unverified.size, MAX_CALLS_OF_SLICE);
    setImmediate(() => this.#startSlice());
    for (let count = 1; count < calls; count += 1) setImmediate(() => this.#serveNext());
    setImmediate(() => this.#endSlice());
  }

  #startSlice(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#sliceEndsMs = nowMs + Math.max(SLICE_MS, (nowMs - this.#othersSinceMs) * SLICE_SHARE);
    this.#serveNext();
  }

  #serveNext(): void {
    if (this.#options.clock.monotonicMs() >= this.#sliceEndsMs) return;
    const call = this.#waiting[this.#next].next() ?? this.#waiting[other(this.#next)].next();
    if (call === undefined) return;
    this.#next = other(call.peer);
    this.#options.onWaiting(call.peer, this.#waiting[call.peer].size);
    call.serve();
  }

  #endSlice(): void {
    this.#othersSinceMs = this.#options.clock.monotonicMs();
    const { verified, unverified } = this.#waiting;
    this.#isBegun = verified.size + unverified.size > 0;
    if (this.#isBegun) this.#beginSlice();
  }
}

function other(peer: CallOf): CallOf {
  return peer === "verified" ? "unverified" : "verified";
}
