import type { Http1FaultCode, ResponseEvent } from "./framer-events.ts";
import { HTTP1_LIMITS, type Http1Limits } from "./http1-limits.ts";
import { MessageFramer, type MessageKind } from "./message-framer.ts";
import type { Http1ResponseHead } from "./message-head.ts";
import { type ResponseContext, scanResponseHead } from "./scanning/scan-response-head.ts";

/** Nothing is read without the request that it responds to. */
const RESPONSES: MessageKind<Http1ResponseHead, ResponseContext | undefined> = {
  limit: "maxResponseHeadBytes",
  allowsEmptyLines: false,
  scanHead: (head, limits, request) => scanResponseHead(head, request ?? { method: "GET", hasUpgrade: false }, limits),
};

/**
 * Frames the responses of one connection (RFC 9112 §6.3), one exchange at a time. Sans-I/O. Unsolicited bytes are a
 * fault: they would become the response to the next request.
 */
export class ResponseFramer {
  readonly #framer: MessageFramer<Http1ResponseHead, ResponseContext | undefined>;
  #state: "open" | "switched" | "failed" = "open";
  #rest: Buffer = Buffer.alloc(0);
  #isInterim = false;
  /** Of the last request. */
  #context: ResponseContext | undefined;

  constructor(limits: Http1Limits = HTTP1_LIMITS) {
    this.#framer = new MessageFramer<Http1ResponseHead, ResponseContext | undefined>(RESPONSES, limits, undefined);
  }

  /** A request has been sent: the next response belongs to it. */
  expect(request: ResponseContext): void {
    // The same object for the same properties: the framer compares it.
    if (request.method !== this.#context?.method || request.hasUpgrade !== this.#context.hasUpgrade) {
      this.#context = request;
    }
    this.#framer.context = this.#context;
  }

  /**
   * Consumes bytes. An interim response (100, 103) is a head and an end, and the exchange continues. After a 101
   * nothing is parsed: bytes are held for `takeRest`.
   */
  push(chunk: Buffer): readonly ResponseEvent[] {
    const events: ResponseEvent[] = [];
    let at = 0;
    while (at < chunk.length && this.#state === "open") {
      if (this.#framer.context === undefined) {
        this.#fail(events, "unasked_response", "unsolicited bytes");
        return events;
      }
      at += this.#step(chunk, at, events);
    }
    if (this.#state === "switched" && at < chunk.length) this.#rest = Buffer.concat([this.#rest, chunk.subarray(at)]);
    return events;
  }

  /** The server has half-closed: the end of a response without a length, a fault inside any other. */
  end(): readonly ResponseEvent[] {
    if (this.#state !== "open" || this.#framer.context === undefined) return [];
    const events: ResponseEvent[] = [];
    if (this.#framer.endsWithConnection) {
      this.#framer.finish(events);
      this.#framer.context = undefined;
    } else {
      this.#fail(events, "unexpected_end", "the connection ended before the response did");
    }
    return events;
  }

  /** Returns what came after a 101. */
  takeRest(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }

  #step(chunk: Buffer, at: number, events: ResponseEvent[]): number {
    const first = events.length;
    const { consumed, isOver } = this.#framer.step(chunk, at, events);
    const head = events[first];
    if (head?.kind === "head") this.#isInterim = head.head.status < 200;
    if (head?.kind === "head" && head.head.status === 101) this.#state = "switched";
    if (!isOver) return consumed;
    if (events.at(-1)?.kind === "fault") this.#state = "failed";
    else if (!this.#isInterim) this.#framer.context = undefined;
    return consumed;
  }

  #fail(events: ResponseEvent[], code: Http1FaultCode, message: string): void {
    this.#state = "failed";
    events.push({ kind: "fault", fault: { code, status: 502, message } });
  }
}
