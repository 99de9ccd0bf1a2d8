import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";

/** Fields that are not forwarded unchanged, or that routing and framing use. */
export const FIELD = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  /** `keep-alive`, `proxy-connection` and `http2-settings`: hop-by-hop (RFC 9110 §7.6.1). */
  hopByHop: 5,
  upgrade: 6,
  expect: 7,
  forwardedClientCert: 8,
  requestId: 9,
  trailer: 10,
  /** Hop-by-hop; `trailers` is its only value that HTTP/2 allows (RFC 9113 §8.2.2). */
  te: 11,
} as const;

export type FieldKind = (typeof FIELD)[keyof typeof FIELD];

/** A set of kinds of fields, one bit each: it is asked for each field of each message. */
export type KindSet = number;

export function kindSetOf(...kinds: readonly FieldKind[]): KindSet {
  return kinds.reduce<number>((set, kind) => set | (1 << kind), 0);
}

/** Fields that framing, routing and identity depend on, by lower-case name. */
const KINDS: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ["host", FIELD.host],
  ["content-length", FIELD.contentLength],
  ["transfer-encoding", FIELD.transferEncoding],
  ["connection", FIELD.connection],
  ["keep-alive", FIELD.hopByHop],
  ["proxy-connection", FIELD.hopByHop],
  ["te", FIELD.te],
  ["http2-settings", FIELD.hopByHop],
  ["upgrade", FIELD.upgrade],
  ["expect", FIELD.expect],
  ["x-forwarded-client-cert", FIELD.forwardedClientCert],
  ["x-request-id", FIELD.requestId],
  ["trailer", FIELD.trailer],
]);

/** Lengths and first letters of known names, so that most names need no comparison. */
const CANDIDATES: Uint8Array = (() => {
  const table = new Uint8Array(32 * 32);
  for (const name of KINDS.keys()) table[candidateIndex(name.length, name.charCodeAt(0))] = 1;
  return table;
})();

function candidateIndex(length: number, firstByte: number): number {
  return (length & 31) * 32 + (firstByte & 31);
}

/** The kind of a field, by its name in `text`. */
export function fieldKindAt(text: string, start: number, end: number): FieldKind {
  const length = end - start;
  if (length > 23 || CANDIDATES[candidateIndex(length, text.charCodeAt(start))] === 0) return FIELD.other;
  return KINDS.get(text.slice(start, end).toLowerCase()) ?? FIELD.other;
}

/**
 * Fields that `Connection` must not name, because that would strip framing, routing, identity or a previous proxy's
 * fields (RFC 9110 §7.6.1). Credentials may be named: the request is then forwarded without them.
 */
const END_TO_END: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "x-forwarded-client-cert",
  "x-request-id",
  "expect",
  "trailer",
  "forwarded",
  "x-forwarded-for",
]);

/** Whether a `Connection` field may name this one. */
export function isNameableHop(name: string): boolean {
  return !END_TO_END.has(name);
}

/** Names that a CGI-like server would read as one of the known fields: `content_length` as `content-length`. */
export function isConfusable(name: string): boolean {
  return KINDS.has(foldHeaderName(name));
}

/** Fields that are not allowed in a trailer (RFC 9110 §6.5.1): framing, routing, identity, credentials, controls. */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  ...KINDS.keys(),
  "authorization",
  "cookie",
  "set-cookie",
  "proxy-authorization",
  "proxy-authenticate",
  "www-authenticate",
  "cache-control",
  "content-encoding",
  "content-type",
  "content-range",
  "max-forwards",
  "range",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

export function isForbiddenTrailer(name: string): boolean {
  return FORBIDDEN_TRAILERS.has(foldHeaderName(name));
}
