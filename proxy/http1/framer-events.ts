import type { BodyPiece } from "../messages/body-piece.ts";
import type { Trailers } from "../messages/fields.ts";
import type { Http1RequestHead, Http1ResponseHead } from "./message-head.ts";

/** The next bytes of a body: the event is the piece. */
export interface BodyEvent extends BodyPiece {
  readonly kind: "body";
}

/** A framer's events. */
export type FramerEvent<Head> =
  | { readonly kind: "head"; readonly head: Head }
  | BodyEvent
  /**
   * The message is complete; `bodyBytes` is its content without chunk framing. Trailers were already part of the body's
   * bytes; `undefined`: none.
   */
  | { readonly kind: "end"; readonly bodyBytes: number; readonly trailers: Trailers | undefined }
  /** Not HTTP/1.1 that all parsers read alike. No event follows: the connection must be closed. */
  | { readonly kind: "fault"; readonly fault: Http1Fault };

export type RequestEvent = FramerEvent<Http1RequestHead>;
export type ResponseEvent = FramerEvent<Http1ResponseHead>;

/** Stable: a metric label and part of the local reply. */
export type Http1FaultCode =
  | "bad_start_line"
  | "bad_method"
  | "bad_target"
  | "bad_version"
  | "bad_field_line"
  | "bad_field_name"
  | "bad_field_value"
  | "bad_line_end"
  | "bad_host"
  | "host_mismatch"
  | "bad_content_length"
  | "bad_transfer_encoding"
  | "ambiguous_framing"
  | "bad_chunk"
  | "bad_trailer"
  | "bad_upgrade"
  | "connect_refused"
  | "head_too_large"
  | "too_many_fields"
  | "trailers_too_large"
  | "unexpected_end"
  | "unasked_response";

export interface Http1Fault {
  readonly code: Http1FaultCode;
  /**
   * The status of the local reply to a request with this fault: 400, 405, 417, 431, 501 or 505. Faulty responses become
   * 502.
   */
  readonly status: number;
  /** For the log and the local reply: what was wrong, without quoting the peer's bytes. */
  readonly message: string;
}
