/** Where a message's body ends (RFC 9112 §6.3). */
export type BodyFraming =
  | { readonly kind: "none" }
  /** Bytes, at least 1. */
  | { readonly kind: "length"; readonly length: number }
  | {
      readonly kind: "chunked";
      /**
       * `content`: the framer's `body` events contain only the content, for a client without chunked support
       * (HTTP/1.0).
       */
      readonly forwards: "chunks" | "content";
    }
  /** Responses only: the body ends with the connection. */
  | { readonly kind: "until_close" };

/** Fields that are not forwarded unchanged, or that routing and framing use. */
export const FIELD = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  /** `keep-alive`, `proxy-connection`, `te` and `http2-settings`: hop-by-hop (RFC 9110 §7.6.1). */
  hopByHop: 5,
  upgrade: 6,
  expect: 7,
  forwardedClientCert: 8,
  requestId: 9,
  trailer: 10,
} as const;

export type FieldKind = (typeof FIELD)[keyof typeof FIELD];

/** How many numbers `MessageHead.fields` has per field: name start, name end, value start, value end, kind. */
export const FIELD_STRIDE = 5;

/** Shared by request and response heads. The head is kept once, as text; everything else points into it. */
export interface MessageHead {
  /**
   * The head, from start line to empty line, one character per byte (latin1): as it came, or in its canonical form if
   * it came in a legal but unusual one.
   */
  readonly text: string;
  /** Whether `text` equals the received bytes. */
  readonly isVerbatim: boolean;
  /** Where the field lines begin in `text`: the length of the start line including its CRLF. */
  readonly fieldsAt: number;
  /**
   * `FIELD_STRIDE` numbers per field, in order: offsets into `text`, then a `FieldKind`. Offsets of a value exclude the
   * blanks around it. A line extends from its name's start to the next line's.
   */
  readonly fields: readonly number[];
  readonly version: "1.1" | "1.0";
  readonly framing: BodyFraming;
  /** Whether the connection persists after this message (RFC 9112 §9.3). */
  readonly keepAlive: boolean;
  /** Field names that `Connection` lists, in lower case, without `close` and `keep-alive`; usually empty. */
  readonly connectionTokens: readonly string[];
  /** The protocols of `Upgrade`, if `Connection` lists it; else `undefined`. */
  readonly upgrade: string | undefined;
}

export interface RequestHead extends MessageHead {
  readonly method: string;
  /** The request target: origin form, absolute form with the authority of `host`, or `*`. */
  readonly target: string;
  /** The request's host: the target's authority, else the one valid `Host`; may be empty (RFC 9112 §3.2). */
  readonly host: string;
  readonly expectsContinue: boolean;
}

export interface ResponseHead extends MessageHead {
  /** 100..999 (RFC 9110 §15 defines 100 to 599; others are forwarded). */
  readonly status: number;
  readonly reason: string;
  /** The seconds of `Keep-Alive: timeout=N`, if present: the server closes an idle connection after that. */
  readonly idleSeconds: number | undefined;
}

/** A field's value by its lower-case name; several are joined with a comma (RFC 9110 §5.3). `undefined`: none. */
export function readField(head: MessageHead, name: string): string | undefined {
  const { text, fields } = head;
  let value: string | undefined;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    const start = fields[at] ?? 0;
    const end = fields[at + 1] ?? 0;
    if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
    const found = text.slice(fields[at + 2], fields[at + 3]);
    value = value === undefined ? found : `${value},${found}`;
  }
  return value;
}
