import type { Socket } from "node:net";
import { abortSocket } from "../../connections/relay.ts";
import { Http2ClientConnection, type OutgoingRequest } from "../../http2/connection/http2-client-connection.ts";
import type { Http2Event } from "../../http2/connection/http2-events.ts";
import type { Http2Stream } from "../../http2/connection/http2-stream.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { HTTP2_LIMITS, type Http2Limits, MESH_HTTP2_LIMITS } from "../../http2/http2-limits.ts";
import type { Http2ResponseHead } from "../../http2/message-head.ts";
import { Http2Output } from "../http2-output.ts";
import { lendContent } from "../lend-pieces.ts";
import { addListeners } from "../socket-listeners.ts";
import { Http2UpstreamStream, type StreamConnection } from "./http2-upstream-stream.ts";
import { StreamAllowance } from "./stream-allowance.ts";
import type { DialedUpstream, PoolPlace, UpstreamConnection, UpstreamOptions } from "./upstream-connection.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

type UpstreamEvent = Http2Event<Http2ResponseHead, Http2UpstreamStream>;

type State =
  | { readonly kind: "open" }
  /** It takes no more requests; those in progress go on. */
  | { readonly kind: "retiring" }
  /** All is over, and what is left to send leaves. */
  | { readonly kind: "closing"; readonly sinceMs: number }
  | { readonly kind: "closed" };

const OPEN: State = { kind: "open" };
const RETIRING: State = { kind: "retiring" };
const CLOSED: State = { kind: "closed" };

/**
 * One HTTP/2 connection to a server, shared by many requests. It is always read: what the clients do not take closes
 * their streams' windows. Only the connection's own end ends more than one request.
 */
export class Http2Upstream implements UpstreamConnection, StreamConnection {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace = { isListed: false, idleSinceMs: undefined, hasEnded: false, successorUntilMs: 0 };
  readonly engine: Http2ClientConnection<Http2UpstreamStream>;
  readonly #allowance = new StreamAllowance();
  readonly #socket: Socket;
  readonly #options: UpstreamOptions;
  readonly #output: Http2Output;
  #state: State = OPEN;
  /** Streams that the pool has opened and whose heads are not sent. */
  #reserved = 0;
  #opened = 0;
  #served = 0;
  #isEnding = false;
  #fullSinceMs: number | undefined;

  constructor(dialed: DialedUpstream, options: UpstreamOptions) {
    this.dialed = dialed;
    this.#socket = dialed.socket;
    this.#options = options;
    this.engine = new Http2ClientConnection({ limits: limitsFor(dialed, options), nowMs: options.nowMs() });
    this.#output = new Http2Output(this.#socket, this.engine, this.#onOutputTaken);
    const listeners = { data: this.#onData, end: this.#onEnd, drain: this.#onDrain, close: this.#onClose };
    addListeners(this.#socket, listeners);
    if (this.#socket.destroyed) queueMicrotask(this.#onClose);
    else this.#output.flush();
  }

  get ready(): Promise<void> {
    return this.#allowance.settled;
  }

  get capacity(): number {
    if (this.#state.kind !== "open" || this.engine.isExhausted) return 0;
    const { maxConcurrentStreams = Number.POSITIVE_INFINITY } = this.#options.settings();
    const allowed = Math.min(maxConcurrentStreams, this.#allowance.most) - this.load;
    return Math.max(0, Math.min(this.engine.capacity - this.#reserved, allowed, this.#requestsLeft));
  }

  get load(): number {
    return this.engine.activeStreams + this.#reserved;
  }

  get isCongested(): boolean {
    if (!this.#socket.writableNeedDrain) return false;
    const nowMs = this.#options.exactMs();
    this.#fullSinceMs ??= nowMs;
    return nowMs - this.#fullSinceMs >= CONGESTED_MS;
  }

  get isIdle(): boolean {
    return (this.#state.kind === "open" || this.#state.kind === "retiring") && this.load === 0;
  }

  get isReused(): boolean {
    return this.#served > 0;
  }

  get isReusable(): boolean {
    return this.#state.kind === "open" && !this.engine.isExhausted && this.#requestsLeft > 0 && this.dialed.isCurrent();
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  get idleMs(): number {
    return this.dialed.idleMs;
  }

  get #requestsLeft(): number {
    return (this.#options.settings().maxRequestsPerConnection ?? Number.POSITIVE_INFINITY) - this.#opened;
  }

  openStream(): UpstreamStream {
    this.#reserved += 1;
    this.#opened += 1;
    return new Http2UpstreamStream(this);
  }

  begin(
    stream: Http2UpstreamStream,
    request: OutgoingRequest,
    endsStream: boolean,
  ): Http2Stream<Http2UpstreamStream> | undefined {
    this.#reserved -= 1;
    return this.engine.request(request, endsStream, stream);
  }

  unreserve(): void {
    this.#reserved -= 1;
  }

  finish(stream: Http2Stream<Http2UpstreamStream>, isServed: boolean): void {
    stream.context = undefined;
    if (isServed) {
      this.#served += 1;
      this.#allowance.noteServed();
    }
    this.engine.release(stream);
    this.#handle(this.engine.takeEvents());
  }

  requestFlush(): void {
    this.#output.request();
  }

  retire(): void {
    if (this.#state.kind !== "open") return;
    this.#state = RETIRING;
    this.engine.drain();
    this.#handle(this.engine.takeEvents());
  }

  checkDeadline(nowMs: number): void {
    const state = this.#state;
    if (state.kind !== "closing") this.#handle(this.engine.expire(nowMs));
    else if (nowMs - state.sinceMs >= CLOSE_TIMEOUT_MS) abortSocket(this.#socket);
  }

  readonly #onData = (chunk: Buffer): void => {
    const events = this.engine.receive(chunk, this.#options.exactMs());
    lendContent(chunk, events);
    this.#handle(events);
  };

  readonly #onOutputTaken = (): void => {
    const events = this.engine.takeEvents();
    if (events.length > 0) this.#handle(events);
  };

  readonly #onDrain = (): void => {
    this.#fullSinceMs = undefined;
    this.#output.flush();
  };

  /** After the server's FIN no response can be complete. */
  readonly #onEnd = (): void => {
    if (this.load > 0) abortSocket(this.#socket);
    else this.#socket.destroy();
    this.#onClose();
  };

  readonly #onClose = (): void => {
    if (this.#state.kind === "closed") return;
    this.#state = CLOSED;
    this.#allowance.noteClosed();
    this.#output.stop();
    this.#handle(this.engine.end());
    this.#options.owner.onClosed(this);
  };

  /** Handles what happened at once; what it causes leaves together. */
  #handle(events: readonly UpstreamEvent[]): void {
    this.#output.hold();
    for (let at = 0; at < events.length; at += 1) {
      const event = events[at];
      if (event === undefined) continue;
      const next = events[at + 1];
      const context = contextOf(event);
      if (context !== undefined) context.handle(event, next !== undefined && contextOf(next) === context);
      else this.#handleOwn(event);
    }
    this.#output.release();
  }

  #handleOwn(event: UpstreamEvent): void {
    switch (event.kind) {
      case "settings":
        this.#allowance.noteSettings();
        break;
      case "goaway":
        this.#isEnding = event.code === ERROR_CODE.noError && this.dialed.peer !== "";
        break;
      case "drained":
      case "failed":
        this.#output.release();
        this.#output.flush();
        this.#close();
        break;
    }
  }

  /** A server overloaded by this connection may refuse all further requests on it, as Node does: they get another. */
  noteReset(code: number): void {
    if (code === ERROR_CODE.refusedStream) this.#allowance.noteRefused(this.load);
    else if (code === ERROR_CODE.enhanceYourCalm) this.retire();
  }

  #close(): void {
    if (this.#state.kind === "closing" || this.#state.kind === "closed") return;
    this.#state = { kind: "closing", sinceMs: this.#options.nowMs() };
    this.#output.stop();
    this.#socket.end();
  }
}

/** From a full send buffer to another connection. */
const CONGESTED_MS = 10;

/** How long a closed connection may take to send what is left: its GOAWAY. */
const CLOSE_TIMEOUT_MS = 2000;

/** The sizes of a head are those of HTTP/1.1, which an operator may raise. */
function limitsFor({ peer }: DialedUpstream, { messageLimits }: UpstreamOptions): Http2Limits {
  const { maxResponseHeadBytes, maxResponseFields } = messageLimits;
  const limits = peer === "" ? HTTP2_LIMITS : MESH_HTTP2_LIMITS;
  // RFC 9113 §6.5.2 counts 32 bytes for each field.
  const maxListBytes = maxResponseHeadBytes + 32 * maxResponseFields;
  const headers = { ...limits.headers, maxBlockBytes: maxListBytes, maxListBytes, maxFields: maxResponseFields };
  return { ...limits, headers, maxHeaderBlockFrames: Math.ceil(maxListBytes / 16_384) + 2 };
}

function contextOf(event: UpstreamEvent): Http2UpstreamStream | undefined {
  return "stream" in event ? event.stream.context : undefined;
}
