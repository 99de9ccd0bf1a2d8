import type { Socket } from "node:net";
import { returnMemory } from "../../connections/memory/read-memory.ts";
import type { Http2ClientConnection, OutgoingRequest } from "../../http2/connection/http2-client-connection.ts";
import type { Http2Event } from "../../http2/connection/http2-events.ts";
import type { Http2Stream } from "../../http2/connection/http2-stream.ts";
import { abortReasonFrom } from "../../http2/conversion/abort-codes.ts";
import { AddedFields } from "../../http2/conversion/added-fields.ts";
import { outgoingRequest } from "../../http2/conversion/outgoing-request.ts";
import { responseHeadFrom } from "../../http2/conversion/response-head.ts";
import type { Http2ResponseHead } from "../../http2/message-head.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import { FieldList } from "../../messages/field-list.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { forwardedTrailers, withoutNames } from "../../messages/trailers.ts";
import { takeContent } from "../lend-pieces.ts";
import type { ResponseSink, UpstreamStream } from "./upstream-stream.ts";

type StreamEvent = Http2Event<Http2ResponseHead, Http2UpstreamStream>;

type EngineStream = Http2Stream<Http2UpstreamStream>;

/** The connection of a stream. */
export interface StreamConnection {
  readonly engine: Http2ClientConnection<Http2UpstreamStream>;
  /** Whether it has already served a request. */
  readonly isReused: boolean;
  /** A reserved stream begins. @returns `undefined`: the connection takes no more requests. */
  begin(stream: Http2UpstreamStream, request: OutgoingRequest, endsStream: boolean): EngineStream | undefined;
  /** A reserved stream does not begin. */
  unreserve(): void;
  /** A stream is over; an open one is reset. @param isServed its response was complete. */
  finish(stream: EngineStream, isServed: boolean): void;
  /** A stream was reset, with one of `ERROR_CODE` or another code. */
  noteReset(code: number): void;
  /** There may be output. */
  requestFlush(): void;
}

type State =
  /** It counts against the connection's capacity; its head is not sent. */
  { readonly kind: "reserved" } | { readonly kind: "open"; readonly stream: EngineStream } | { readonly kind: "over" };

const RESERVED: State = { kind: "reserved" };
const OVER: State = { kind: "over" };

/** Writes END_STREAM alone, or with the content that waits. */
const NOTHING = Buffer.alloc(0);

/** One request on a shared HTTP/2 connection. */
export class Http2UpstreamStream implements UpstreamStream {
  readonly isReused: boolean;
  readonly #connection: StreamConnection;
  #state: State = RESERVED;
  #sink: ResponseSink | undefined;
  #toHead = false;
  #isCorked = false;
  /** Whether the request's body waits for `onUpstreamDrain`. */
  #isFull = false;
  #isPaused = false;
  /** What the request's trailers may not contain. */
  #removed: ReadonlySet<string> | undefined;
  /** Content that the client has not taken. */
  #unconsumed = 0;
  #isPacketOpen = false;

  constructor(connection: StreamConnection) {
    this.#connection = connection;
    this.isReused = connection.isReused;
  }

  cork(): void {
    this.#isCorked = true;
  }

  uncork(): boolean {
    this.#isCorked = false;
    this.#connection.requestFlush();
    return !this.#isFull;
  }

  sendHead(sink: ResponseSink, head: RequestHead, edits: RequestEdits): void {
    const request = outgoingRequest(head, edits);
    this.#removed = edits.removedTrailers ?? edits.headers?.removed;
    this.#sink = sink;
    this.#toHead = head.method === "HEAD";
    const stream = this.#connection.begin(this, request, head.content.kind === "none");
    this.#state = stream === undefined ? OVER : { kind: "open", stream };
    // Its owner has not finished this call.
    if (stream === undefined) queueMicrotask(() => this.#lose({ kind: "refused" }));
  }

  sendBody(piece: BodyPiece): boolean {
    if (this.#state.kind !== "open") return true;
    const { engine } = this.#connection;
    for (const view of takeContent(piece)) {
      if (!engine.sendData(this.#state.stream, view, false)) this.#isFull = true;
    }
    return this.#flush();
  }

  sendEnd(trailers: Trailers | undefined): boolean {
    if (this.#state.kind !== "open") return true;
    const { engine } = this.#connection;
    const fields = forwardedTrailers(withoutNames(trailers, this.#removed));
    if (fields.length === 0) engine.sendData(this.#state.stream, NOTHING, true);
    else engine.sendTrailers(this.#state.stream, new AddedFields(fields));
    return this.#flush();
  }

  /** A flush may make room again at once. */
  #flush(): boolean {
    if (this.#isCorked) return true;
    this.#connection.requestFlush();
    return !this.#isFull;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#consume();
    this.#connection.requestFlush();
  }

  release(): void {
    this.#finish(true);
  }

  /** Resets the stream with CANCEL, if it is open. Its neighbours go on. */
  abort(): void {
    this.#finish(false);
  }

  /** HTTP/2 has no 101. */
  detach(): Socket | undefined {
    return undefined;
  }

  /** An event of the stream. @param hasNext the next event of the same read is this stream's, too. */
  handle(event: StreamEvent, hasNext: boolean): void {
    const sink = this.#sink;
    if (hasNext && !this.#isPacketOpen) {
      this.#isPacketOpen = true;
      sink?.onPacketStart(undefined);
    }
    this.#deliver(event);
    if (!hasNext) this.#endPacket(sink);
  }

  /** Also when the stream ends inside a packet: what its sink sends next must not wait for the rest. */
  #endPacket(sink: ResponseSink | undefined): void {
    if (!this.#isPacketOpen) return;
    this.#isPacketOpen = false;
    sink?.onPacketEnd();
  }

  #deliver(event: StreamEvent): void {
    switch (event.kind) {
      case "interim":
        this.#onHead(event.head, false);
        break;
      case "head":
        this.#onHead(event.head, event.endsStream);
        break;
      case "data":
        if (event.bytes.length > 0) this.#onContent(event.bytes);
        if (event.endsStream) this.#sink?.onResponseEnd(undefined);
        break;
      case "trailers":
        this.#sink?.onResponseEnd(new FieldList(event.fields));
        break;
      case "writable":
        this.#isFull = false;
        this.#sink?.onUpstreamDrain();
        break;
      case "reset":
        this.#connection.noteReset(event.code);
        this.#lose(abortReasonFrom(event));
        break;
    }
  }

  #onHead(received: Http2ResponseHead, endsStream: boolean): void {
    const head = responseHeadFrom(received, { endsStream, toHead: this.#toHead });
    this.#sink?.onResponseHead(head);
    if (endsStream) this.#sink?.onResponseEnd(undefined);
  }

  #onContent(bytes: Buffer): void {
    // Read before the sink has it, which may free it.
    const { length } = bytes;
    this.#unconsumed += length;
    // What waits for a slow client must not keep the whole read, which has the content of many.
    const isSmall = length * 4 < bytes.buffer.byteLength;
    const kept = this.#isPaused && isSmall ? copyOf(bytes) : bytes;
    this.#sink?.onResponseBody({ bytes: kept, ranges: undefined });
    if (!this.#isPaused) this.#consume();
    else if (this.#state.kind === "open") this.#connection.engine.hold(this.#state.stream, length);
  }

  #consume(): void {
    if (this.#state.kind !== "open" || this.#unconsumed === 0) return;
    this.#connection.engine.consume(this.#state.stream, this.#unconsumed);
    this.#unconsumed = 0;
  }

  #lose(reason: AbortReason): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onUpstreamLost(reason);
  }

  #finish(isServed: boolean): void {
    const state = this.#state;
    const sink = this.#sink;
    this.#state = OVER;
    this.#sink = undefined;
    this.#endPacket(sink);
    if (state.kind === "reserved") this.#connection.unreserve();
    else if (state.kind === "open") this.#connection.finish(state.stream, isServed);
  }
}

/** Not from Node's pool, of which one small piece would keep 8 KB. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  returnMemory(bytes);
  return copy;
}
