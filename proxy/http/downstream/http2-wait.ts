import type { Socket } from "node:net";
import type { HttpContext } from "../http-context.ts";
import type { DownstreamOptions } from "./downstream-options.ts";

/** `lingering`: everything is written, and the client's close is awaited. */
type Phase = "open" | "lingering" | "over";

/** What a connection does when its time limits are checked. */
export interface Http2Activity {
  /** No request is in progress. */
  readonly isIdle: boolean;
  /** A header block has begun and is incomplete. */
  readonly awaitsHead: boolean;
}

/** `drain`: it announces its end, and finishes its streams. */
export type Http2Overdue = "nothing" | "drain" | "head_timeout" | "close";

/** The time limits of a client's HTTP/2 connection, and when it must end. */
export class Http2Wait {
  readonly #socket: Socket;
  readonly #context: HttpContext;
  readonly #isCurrent: () => boolean;
  #phase: Phase = "open";
  #hasBegun = false;
  #idleSinceMs: number;
  #inputMs: number;
  #headSinceMs: number | undefined;

  /** The deadlines must watch the connection already, so that they have read the clock. */
  constructor(socket: Socket, { context, isCurrent }: Pick<DownstreamOptions, "context" | "isCurrent">) {
    this.#socket = socket;
    this.#context = context;
    this.#isCurrent = isCurrent;
    this.#idleSinceMs = context.deadlines.nowMs;
    this.#inputMs = context.deadlines.nowMs;
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  get isLingering(): boolean {
    return this.#phase === "lingering";
  }

  /** Since when the client has sent nothing. */
  get silentSinceMs(): number {
    return this.#inputMs;
  }

  noteInput(): void {
    this.#inputMs = this.#context.deadlines.nowMs;
  }

  /** Input was handled. */
  noteHead(awaitsHead: boolean): void {
    if (awaitsHead) this.#headSinceMs ??= this.#context.deadlines.nowMs;
    else this.#headSinceMs = undefined;
  }

  noteRequest(): void {
    this.#hasBegun = true;
  }

  /** The last request has ended. */
  becameIdle(): void {
    this.#idleSinceMs = this.#context.deadlines.nowMs;
  }

  linger(): void {
    this.#phase = "lingering";
    this.#idleSinceMs = this.#context.deadlines.nowMs;
  }

  over(): void {
    this.#phase = "over";
  }

  /** Which limit is exceeded. */
  overdue(nowMs: number, { isIdle, awaitsHead }: Http2Activity): Http2Overdue {
    const { limits } = this.#context;
    if (this.#phase === "over") return "nothing";
    if (this.#phase === "lingering") {
      // Until the kernel has accepted the last response, destroying the socket would truncate it.
      const limitMs = this.#socket.writableFinished ? limits.lingerMs : limits.bodyIdleMs;
      return nowMs - this.#idleSinceMs >= limitMs ? "close" : "nothing";
    }
    const headSinceMs = awaitsHead ? this.#headSinceMs : undefined;
    if (headSinceMs !== undefined && nowMs - headSinceMs >= limits.headTimeoutMs) return "head_timeout";
    const isForgotten = isIdle && nowMs - this.#idleSinceMs >= limits.downstreamIdleMs;
    return isForgotten || this.#mustLeave() ? "drain" : "nothing";
  }

  /** A connection that begins while the pod ends serves a request first, as over HTTP/1.1. */
  #mustLeave(): boolean {
    const { draining, closing } = this.#context.drain;
    return closing.aborted || (draining.aborted && this.#hasBegun) || !this.#isCurrent();
  }
}
