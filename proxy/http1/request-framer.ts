import type { RequestEvent } from "./framer-events.ts";
import { HTTP1_LIMITS, type Http1Limits } from "./http1-limits.ts";
import { MessageFramer, type MessageKind } from "./message-framer.ts";
import type { Http1RequestHead } from "./message-head.ts";
import { RequestLineWatch } from "./request-line-watch.ts";
import { faultOfRequestLine, readRequestHead } from "./scanning/scan-request-head.ts";

const NOTHING: readonly RequestEvent[] = [];

const REQUESTS: MessageKind<Http1RequestHead, undefined> = {
  limit: "maxRequestHeadBytes",
  allowsEmptyLines: true,
  scanHead: readRequestHead,
};

/**
 * Frames the requests of one connection (RFC 9112), and refuses whatever two parsers could read differently. Sans-I/O:
 * bytes in, events out, with the same events however the bytes are split.
 */
export class RequestFramer {
  readonly #framer: MessageFramer<Http1RequestHead, undefined>;
  /**
   * `held`: a complete request is in progress; what follows it waits. `closed`: nothing more is read, after a fault or
   * after the connection's last request (RFC 9112 §9.6).
   */
  #state: "open" | "held" | "closed" = "open";
  #isLast = false;
  /** Of a head that has not arrived in one piece. */
  #line: RequestLineWatch | undefined;
  readonly #limits: Http1Limits;
  #rest: readonly Buffer[] = [];

  constructor(limits: Http1Limits = HTTP1_LIMITS) {
    this.#limits = limits;
    this.#framer = new MessageFramer(REQUESTS, limits, undefined);
  }

  /** Held bytes: of an incomplete head, or after a request in progress. */
  get bufferedBytes(): number {
    let bytes = this.#framer.bufferedBytes;
    for (const chunk of this.#rest) bytes += chunk.length;
    return bytes;
  }

  /** Consumes bytes; returns the events up to the end of one request. The rest is held until `next`. */
  push(chunk: Buffer): readonly RequestEvent[] {
    if (this.#state === "held") this.#rest = [...this.#rest, chunk];
    if (this.#state !== "open") return NOTHING;
    const events: RequestEvent[] = [];
    const { consumed, isOver } = this.#framer.step(chunk, 0, events);
    const [first] = events;
    if (first === undefined) this.#judgeUnfinishedHead(events);
    else if (first.kind === "head") this.#startRequest(first.head);
    if (isOver || events.at(-1)?.kind === "fault") this.#close(events);
    if (consumed < chunk.length) this.#rest = [chunk.subarray(consumed)];
    return events;
  }

  /** The request has finished: continues with what is held. */
  next(): readonly RequestEvent[] {
    if (this.#state !== "held") return NOTHING;
    this.#state = this.#isLast ? "closed" : "open";
    if (this.#isLast || this.#rest.length === 0) return NOTHING;
    return this.push(this.takeRest());
  }

  /** The client has half-closed. Fine between two requests, a fault inside one. */
  end(): readonly RequestEvent[] {
    if (this.#state !== "open" || !this.#framer.isInside) return NOTHING;
    this.#state = "closed";
    const message = "the client's side ended inside a request";
    return [{ kind: "fault", fault: { code: "unexpected_end", status: 400, message } }];
  }

  /** Returns what is held after the request, for an upgrade. */
  takeRest(): Buffer {
    const [first, ...others] = this.#rest;
    this.#rest = [];
    if (first === undefined) return Buffer.alloc(0);
    return others.length === 0 ? first : Buffer.concat([first, ...others]);
  }

  #startRequest({ keepAlive }: Http1RequestHead): void {
    this.#isLast = !keepAlive;
    this.#line = undefined;
  }

  /** Bytes that can no longer become a request are refused at once. */
  #judgeUnfinishedHead(events: RequestEvent[]): void {
    const head = this.#framer.unfinishedHead;
    this.#line ??= new RequestLineWatch();
    if (this.#line.canBecomeRequest(head)) return;
    events.push({ kind: "fault", fault: faultOfRequestLine(head, this.#limits) });
  }

  #close(events: readonly RequestEvent[]): void {
    this.#state = events.at(-1)?.kind === "fault" ? "closed" : "held";
  }
}
