import type { RequestHead, ResponseHead } from "./message-head.ts";

/** What a framer found. `body` bytes are the wire's own, chunk framing and all: they are forwarded as they are. */
export type FramerEvent<Head> =
  | { readonly kind: "head"; readonly head: Head }
  | {
      readonly kind: "body";
      /** A view of the pushed chunk wherever possible, never a copy of content. */
      readonly bytes: Buffer;
    }
  /** The message is whole; `bodyBytes` is its content without chunk framing. */
  | { readonly kind: "end"; readonly bodyBytes: number }
  /** Not HTTP/1.1 as two parsers would read it alike. Nothing follows: the connection must be given up. */
  | { readonly kind: "fault"; readonly fault: Http1Fault };

export type RequestEvent = FramerEvent<RequestHead>;
export type ResponseEvent = FramerEvent<ResponseHead>;

/** Stable: a metric label and part of the answer. */
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
   * What a proxy answers to a request with this fault: 400, 405, 417, 431, 501 or 505. Responses with a fault are 502.
   */
  readonly status: number;
  /** For the log and the answer: what was wrong, without quoting the peer's bytes. */
  readonly message: string;
}
