import type { Http2Fields, Http2ResponseHead, MalformedMessage } from "../message-head.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** Why a stream was reset. */
export type ResetCause =
  /** The peer sent RST_STREAM. */
  | "peer"
  /** The peer broke a rule of this stream, or its message is malformed; we sent RST_STREAM. */
  | "fault"
  /** The peer granted no window for `stallTimeoutMs`. */
  | "stalled"
  /** The peer's GOAWAY: the stream was not processed. */
  | "goaway"
  /** The connection failed or was closed. */
  | "connection";

/**
 * What a connection reports to its shell, in order. `Head` is what the peer sends: requests to a server, responses to a
 * client. No event of a stream follows its `reset`, or the last of its two ends.
 */
export type Http2Event<Head, Context> =
  /** A checked head. `endsStream`: it has no content and no trailers; no other event marks the end. */
  | {
      readonly kind: "head";
      readonly stream: Http2Stream<Context>;
      readonly head: Head;
      readonly endsStream: boolean;
    }
  /** Clients only: an interim response (1xx, never 101). */
  | { readonly kind: "interim"; readonly stream: Http2Stream<Context>; readonly head: Http2ResponseHead }
  /**
   * Content: a view of the received chunk, without padding; empty only if `endsStream`. Its bytes must be returned by
   * `consume`.
   */
  | {
      readonly kind: "data";
      readonly stream: Http2Stream<Context>;
      readonly bytes: Buffer;
      readonly endsStream: boolean;
    }
  /** Trailers, which end the message. */
  | { readonly kind: "trailers"; readonly stream: Http2Stream<Context>; readonly fields: Http2Fields }
  /** The stream is closed in both directions. The shell cancels its work and then calls `release`. */
  | {
      readonly kind: "reset";
      readonly stream: Http2Stream<Context>;
      /** One of `ERROR_CODE`, or a code of the peer's own. */
      readonly code: number;
      readonly cause: ResetCause;
      /** Clients only: the server has certainly not processed the request; it may be sent again (RFC 9113 §8.7). */
      readonly isUnprocessed: boolean;
      /** What was malformed, if that was the cause. */
      readonly fault: MalformedMessage | undefined;
    }
  /** Servers only: a request that never became a stream of the shell. For logs and metrics. */
  | { readonly kind: "rejected"; readonly streamId: number; readonly code: number; readonly fault: MalformedMessage }
  /** `sendData` returned false before; the stream takes bytes again. */
  | { readonly kind: "writable"; readonly stream: Http2Stream<Context> }
  /** The peer's SETTINGS are in force: `capacity` may have changed. */
  | { readonly kind: "settings" }
  /** The peer's GOAWAY. Clients: no new requests here. Streams that it excludes have been reset before this event. */
  | { readonly kind: "goaway"; readonly code: number; readonly lastStreamId: number }
  /** After a GOAWAY of either side the last stream has ended: flush, then close the socket. */
  | { readonly kind: "drained" }
  /** The connection failed; each stream was reset before this event. Flush (it has the GOAWAY), then close the socket. */
  | { readonly kind: "failed"; readonly code: number; readonly message: string };
