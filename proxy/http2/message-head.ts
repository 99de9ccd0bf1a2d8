/** The ordered fields of a message, or its trailers: `names[i]` in lower case belongs to `values[i]` (latin1). */
export interface Http2Fields {
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Positions of the fields that no hop may put into a compression table (RFC 7541 §7.1.3), rising. */
  readonly neverIndexed: readonly number[];
}

/** A request whose head was checked (RFC 9113 §8.3.1). Its fields have neither `host` nor cookie crumbs (§8.2.3). */
export interface Http2RequestHead extends Http2Fields {
  readonly method: string;
  /** `http` or `https`; empty for CONNECT. */
  readonly scheme: string;
  /** Host and optional port, as received: `:authority`, else `host`. */
  readonly authority: string;
  /** Begins with `/`, or is `*`; empty for CONNECT. */
  readonly path: string;
  /** Extended CONNECT (RFC 8441), else `undefined`. */
  readonly protocol: string | undefined;
  /** The declared length of the content in bytes, which the engine enforces. */
  readonly contentLength: number | undefined;
  readonly expectsContinue: boolean;
}

/** A response whose head was checked (RFC 9113 §8.3.2). */
export interface Http2ResponseHead extends Http2Fields {
  /** 100..999 without 101. */
  readonly status: number;
  /** The declared length of the content in bytes, which the engine enforces unless there can be none. */
  readonly contentLength: number | undefined;
}

/** Stable: a metric label. */
export type MalformedCode =
  | "bad_pseudo_field"
  | "bad_method"
  | "bad_scheme"
  | "bad_path"
  | "bad_authority"
  | "host_mismatch"
  | "bad_status"
  | "bad_field_name"
  | "bad_field_value"
  | "connection_field"
  | "bad_content_length"
  | "bad_trailer"
  | "too_large"
  /** The request is refused, although it may be well-formed. */
  | "too_many_streams";

/** A malformed message (RFC 9113 §8.1.1): an error of its stream alone. */
export interface MalformedMessage {
  readonly code: MalformedCode;
  /** For the log, without quoting the peer's bytes. */
  readonly message: string;
}

/** Either a checked value, or what is wrong with it. */
export type Checked<Value> =
  | { readonly kind: "ok"; readonly value: Value }
  | { readonly kind: "malformed"; readonly fault: MalformedMessage };

export function malformed(code: MalformedCode, message: string): Checked<never> {
  return { kind: "malformed", fault: { code, message } };
}
