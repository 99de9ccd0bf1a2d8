import { NO_RANGES } from "../messages/body-piece.ts";
import type { Content, MessageHead } from "../messages/message-head.ts";
import type { FramerEvent } from "./framer-events.ts";
import { faultFrom } from "./framing-fault.ts";
import type { Http1Limits } from "./http1-limits.ts";
import type { Http1Head } from "./message-head.ts";
import { type BodyScanner, LengthScanner, UntilCloseScanner } from "./scanning/body-scanner.ts";
import { ChunkedScanner } from "./scanning/chunked-scanner.ts";
import { type CollectedHead, HeadCollector, type HeadKind } from "./scanning/head-collector.ts";
import type { HeadBytes } from "./scanning/scan-fields.ts";

/** Requests or responses. `Context`: what else determines how a head is read. */
export interface MessageKind<Head, Context> extends HeadKind {
  readonly scanHead: (head: HeadBytes, limits: Http1Limits, context: Context) => Head;
}

/** The result of one step. */
export interface FramedStep {
  /** How much of the chunk was consumed. */
  readonly consumed: number;
  /** The message is complete, or faulty: what follows does not belong to it. */
  readonly isOver: boolean;
}

/** A longer head is not kept between two messages, in bytes: thousands of connections may wait. */
const MAX_KEPT_HEAD_BYTES = 2048;

/** Frames one message after another; shared by requests and responses. Appends its events to a list. */
export class MessageFramer<Head extends MessageHead & Http1Head, Context> {
  readonly #kind: MessageKind<Head, Context>;
  readonly #limits: Http1Limits;
  readonly #collector: HeadCollector;
  #body: BodyScanner | undefined;
  #endsByClose = false;
  /** The last head, and what it was read with. */
  #lastHead: Head | undefined;
  #lastContext: Context | undefined;

  /** Of the next message. */
  context: Context;

  constructor(kind: MessageKind<Head, Context>, limits: Http1Limits, context: Context) {
    this.#kind = kind;
    this.#limits = limits;
    this.#collector = new HeadCollector(kind, limits);
    this.context = context;
  }

  /** Whether a message is in progress. */
  get isInside(): boolean {
    return this.#body !== undefined || this.#collector.bufferedBytes > 0;
  }

  /** Whether the current message ends with its connection. */
  get endsWithConnection(): boolean {
    return this.#body !== undefined && this.#endsByClose;
  }

  /** Bytes of an incomplete head. */
  get bufferedBytes(): number {
    return this.#collector.bufferedBytes;
  }

  /** The received part of an incomplete head. */
  get unfinishedHead(): Buffer {
    return this.#collector.collected;
  }

  get contentBytes(): number {
    return this.#body?.contentBytes ?? 0;
  }

  /** Consumes bytes of `chunk` from `from`, until the message ends or the chunk is used up. */
  step(chunk: Buffer, from: number, events: FramerEvent<Head>[]): FramedStep {
    try {
      return this.#body === undefined ? this.#stepHead(chunk, from, events) : this.#stepBody(chunk, from, events);
    } catch (caught) {
      events.push({ kind: "fault", fault: faultFrom(caught) });
      return { consumed: chunk.length - from, isOver: true };
    }
  }

  /** Ends a message that ends with its connection. */
  finish(events: FramerEvent<Head>[]): void {
    const bodyBytes = this.contentBytes;
    this.#body = undefined;
    events.push({ kind: "end", bodyBytes, trailers: undefined });
  }

  #stepHead(chunk: Buffer, from: number, events: FramerEvent<Head>[]): FramedStep {
    const collected = this.#collector.push(from === 0 ? chunk : chunk.subarray(from));
    if (collected === undefined) return { consumed: chunk.length - from, isOver: false };
    const head = this.#readHead(collected);
    this.#collector.clear();
    events.push({ kind: "head", head });
    const { consumed } = collected;
    this.#body = scannerFor(head.content, this.#limits);
    this.#endsByClose = head.content.kind === "unknown" && head.content.endsBy === "close";
    if (this.#body === undefined) {
      events.push({ kind: "end", bodyBytes: 0, trailers: undefined });
      return { consumed, isOver: true };
    }
    if (from + consumed >= chunk.length) return { consumed, isOver: false };
    const body = this.#stepBody(chunk, from + consumed, events);
    return { consumed: consumed + body.consumed, isOver: body.isOver };
  }

  /** Clients and servers repeat themselves: a head that equals the last one is not read again. */
  #readHead({ buffer, start, end }: CollectedHead): Head {
    const text = buffer.toString("latin1", start, end);
    const { context } = this;
    const last = this.#lastHead;
    if (last !== undefined && last.fields.text === text && this.#lastContext === context) return last;
    const head = this.#kind.scanHead({ buffer, start, end, text }, this.#limits, context);
    // One that was rewritten has another text than the bytes that came.
    this.#lastHead = head.fields.isVerbatim && text.length <= MAX_KEPT_HEAD_BYTES ? head : undefined;
    this.#lastContext = context;
    return head;
  }

  #stepBody(chunk: Buffer, from: number, events: FramerEvent<Head>[]): FramedStep {
    const body = this.#body;
    let at = from;
    while (body !== undefined && at < chunk.length) {
      const { bytes, ranges, plainLine, consumed, isDone } = body.step(chunk, at);
      at += consumed;
      if (bytes !== undefined) events.push({ kind: "body", bytes, ranges });
      if (plainLine !== undefined) events.push({ kind: "body", bytes: plainLine, ranges: NO_RANGES });
      if (!isDone) continue;
      this.#body = undefined;
      events.push({ kind: "end", bodyBytes: body.contentBytes, trailers: body.trailers });
      return { consumed: at - from, isOver: true };
    }
    return { consumed: at - from, isOver: false };
  }
}

function scannerFor(content: Content, limits: Http1Limits): BodyScanner | undefined {
  switch (content.kind) {
    case "none":
      return undefined;
    case "length":
      return new LengthScanner(content.length);
    case "unknown":
      return content.endsBy === "chunks" ? new ChunkedScanner(limits) : new UntilCloseScanner();
  }
}
