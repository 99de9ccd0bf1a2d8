import type { Socket } from "node:net";
import { abortSocket } from "../../connections/relay.ts";
import type { Http1ResponseHead } from "../../http1/message-head.ts";
import { ResponseFramer } from "../../http1/response-framer.ts";
import { addEnd, addPiece, type BodyCoding, decideCoding } from "../../http1/writing/body-coding.ts";
import { formatRequestHead } from "../../http1/writing/format-request-head.ts";
import { type AbortReason, DISCONNECTED } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { Trailers } from "../../messages/fields.ts";
import { isInterim, type RequestHead } from "../../messages/message-head.ts";
import { withoutNames } from "../../messages/trailers.ts";
import { lendPieces } from "../lend-pieces.ts";
import { PacketWriter } from "../packet-writer.ts";
import type { DialedUpstream, PoolPlace, UpstreamConnection, UpstreamOptions } from "./upstream-connection.ts";
import type { ResponseSink, UpstreamStream } from "./upstream-stream.ts";

/**
 * One HTTP/1.1 connection to a server, and its one stream: one request at a time, with strict parsing of responses.
 * Unsolicited bytes close it (RFC 9112 §9.2), so that they never become the response to the next request.
 */
export class Http1Upstream implements UpstreamConnection, UpstreamStream {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace = { isListed: false, idleSinceMs: undefined, hasEnded: false, successorUntilMs: 0 };
  readonly #socket: Socket;
  readonly #options: UpstreamOptions;
  readonly #framer: ResponseFramer;
  readonly #out = new PacketWriter();
  /** `taken`: it has a request, or is reserved for one. */
  #state: "idle" | "taken" | "closed" = "idle";
  #sink: ResponseSink | undefined;
  #coding: BodyCoding = "as_it_came";
  /** What the request's trailers may not contain. */
  #removed: ReadonlySet<string> | undefined;
  #isCorked = false;
  #served = 0;
  #mayServe = true;
  #isInterim = false;
  #isEnding = false;
  /** The request has been sent. Before, a server may close because of the rest. */
  #isWhole = false;
  #idleMs: number;

  constructor(dialed: DialedUpstream, options: UpstreamOptions) {
    this.#framer = new ResponseFramer(options.messageLimits);
    this.dialed = dialed;
    this.#socket = dialed.socket;
    this.#idleMs = dialed.idleMs;
    this.#options = options;
    this.#socket.on("data", this.#onData);
    this.#socket.on("end", this.#onEnd);
    this.#socket.on("drain", this.#onDrain);
    this.#socket.on("close", this.#onClose);
    this.#socket.on("error", ignore);
  }

  get capacity(): number {
    return this.isIdle && this.#mayServe ? 1 : 0;
  }

  get load(): number {
    return this.#state === "taken" ? 1 : 0;
  }

  /** It has only one request, which waits for itself. */
  get isCongested(): boolean {
    return false;
  }

  get isIdle(): boolean {
    return this.#state === "idle";
  }

  get isReused(): boolean {
    return this.#served > 0;
  }

  get isReusable(): boolean {
    return this.#mayServe && this.#state !== "closed" && this.dialed.isCurrent();
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  get idleMs(): number {
    return this.#idleMs;
  }

  openStream(): UpstreamStream {
    if (this.#state === "idle") this.#state = "taken";
    return this;
  }

  cork(): void {
    this.#isCorked = true;
  }

  uncork(): boolean {
    this.#isCorked = false;
    return this.#out.flush(this.#socket);
  }

  sendHead(sink: ResponseSink, head: RequestHead, edits: RequestEdits): void {
    const { method, upgrade, content } = head;
    this.#out.add(formatRequestHead(head, edits));
    this.#removed = edits.removedTrailers ?? edits.headers?.removed;
    this.#coding = decideCoding(content, "1.1", this.#removed !== undefined && this.#removed.size > 0);
    this.#isWhole = content.kind === "none";
    this.#framer.expect({ method, hasUpgrade: upgrade !== undefined });
    this.#sink = sink;
  }

  sendBody(piece: BodyPiece): boolean {
    addPiece(this.#out, piece, this.#coding);
    return this.#isCorked || this.#out.flush(this.#socket);
  }

  sendEnd(trailers: Trailers | undefined): boolean {
    addEnd(this.#out, withoutNames(trailers, this.#removed), this.#coding);
    this.#isWhole = true;
    return this.#isCorked || this.#out.flush(this.#socket);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  release(): void {
    this.#sink = undefined;
    if (this.#state === "taken") this.#state = "idle";
    this.#served += 1;
    const { maxRequestsPerConnection } = this.#options.settings();
    if (maxRequestsPerConnection !== undefined && this.#served >= maxRequestsPerConnection) this.#mayServe = false;
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Resets the connection: HTTP/1.1 has no other way. */
  abort(): void {
    this.#sink = undefined;
    abortSocket(this.#socket);
    this.#leave();
  }

  detach(): Socket {
    this.#sink = undefined;
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("drain", this.#onDrain);
    this.#socket.off("close", this.#onClose);
    this.#socket.pause();
    const rest = this.#framer.takeRest();
    if (rest.length > 0) this.#socket.unshift(rest);
    this.#leave();
    return this.#socket;
  }

  retire(): void {
    this.#mayServe = false;
    if (this.isIdle) this.#close();
  }

  /** Its exchange has the time limits. */
  checkDeadline(): void {}

  readonly #onData = (chunk: Buffer): void => {
    const events = this.#framer.push(chunk);
    lendPieces(chunk, events);
    const isBatch = events.length > 1;
    if (isBatch) this.#sink?.onPacketStart(chunk);
    const sink = this.#sink;
    for (const event of events) {
      switch (event.kind) {
        case "head":
          this.#noteHead(event.head);
          this.#sink?.onResponseHead(event.head);
          break;
        case "body":
          this.#sink?.onResponseBody(event);
          break;
        case "end":
          if (!this.#isInterim) this.#sink?.onResponseEnd(event.trailers);
          break;
        case "fault":
          this.#lose({ kind: "malformed", code: event.fault.code, message: event.fault.message });
          break;
      }
    }
    if (isBatch) sink?.onPacketEnd();
  };

  #noteHead(head: Http1ResponseHead): void {
    this.#isInterim = isInterim(head);
    if (head.status < 200) return;
    if (head.content.kind === "unknown" && head.content.endsBy === "close") this.#mayServe = false;
    else if (!head.keepAlive) {
      this.#mayServe = false;
      this.#isEnding = this.#isWhole && this.dialed.peer !== "";
    }
    // The server's timeout starts when it has sent its response, ours when we have read it: half a second of margin.
    if (head.idleSeconds !== undefined) this.#idleMs = Math.min(this.#idleMs, head.idleSeconds * 1000 - 1000);
    if (this.#idleMs <= 0) this.#mayServe = false;
  }

  readonly #onEnd = (): void => {
    this.#mayServe = false;
    const end = this.#framer.end().find((event) => event.kind === "end");
    if (end !== undefined) this.#sink?.onResponseEnd(end.trailers);
    if (this.#sink === undefined) this.#close();
    else this.#lose(DISCONNECTED);
  };

  readonly #onDrain = (): void => this.#sink?.onUpstreamDrain();

  readonly #onClose = (): void => this.#lose(DISCONNECTED);

  #lose(reason: AbortReason): void {
    const sink = this.#sink;
    this.#sink = undefined;
    abortSocket(this.#socket);
    this.#leave();
    sink?.onUpstreamLost(reason);
  }

  #close(): void {
    this.#socket.destroy();
    this.#leave();
  }

  #leave(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#options.owner.onClosed(this);
  }
}

function ignore(): void {}
