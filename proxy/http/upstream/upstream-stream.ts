import type { Socket } from "node:net";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";

/** Receives one request's response, until its stream is released, aborted, detached or lost. */
export interface ResponseSink {
  /**
   * What comes between these two calls was read at once, so that it can leave as one packet.
   * @param packet the bytes that were read, if they belong to this response alone.
   */
  onPacketStart(packet: Buffer | undefined): void;
  onPacketEnd(): void;
  /** Also for 100 and 103, which do not end the exchange; after a 101 the stream can be detached. */
  onResponseHead(head: ResponseHead): void;
  onResponseBody(piece: BodyPiece): void;
  /** Called once, after the body. */
  onResponseEnd(trailers: Trailers | undefined): void;
  /**
   * The response will not be complete: the server or its connection failed. No other call follows. `refused` only before
   * any part of a response.
   */
  onUpstreamLost(reason: AbortReason): void;
  /** More of the request's body can be sent. */
  onUpstreamDrain(): void;
}

/** One request on an upstream connection. Calls that send return whether more may follow before `onUpstreamDrain`. */
export interface UpstreamStream {
  /** Whether its connection has already served a request: then the server may have closed it unnoticed. */
  readonly isReused: boolean;
  /** What is sent until `uncork` leaves together. */
  cork(): void;
  uncork(): boolean;
  /**
   * Begins the request, corked; the response goes to `sink`. A head whose content is `none` is the whole request.
   * @throws UnsoundHead if a part of the head cannot be written.
   */
  sendHead(sink: ResponseSink, head: RequestHead, edits: RequestEdits): void;
  sendBody(piece: BodyPiece): boolean;
  /** After the body. */
  sendEnd(trailers: Trailers | undefined): boolean;
  /** Backpressure: reads no more of the response. */
  pause(): void;
  resume(): void;
  /** Request and response are complete. */
  release(): void;
  /** The server sees an aborted request. */
  abort(reason: AbortReason): void;
  /** After a 101: the socket, paused, with the server's later bytes put back. It belongs to the caller. */
  detach(): Socket | undefined;
}
