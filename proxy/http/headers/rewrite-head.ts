import { foldHeaderName, foldsTo } from "../../../mesh/resources/fields/header-rules.ts";
import {
  FIELD,
  FIELD_STRIDE,
  type FieldKind,
  type MessageHead,
  type RequestHead,
  type ResponseHead,
} from "../../http1/message-head.ts";
import { originForm } from "../../http1/scanning/origin-form.ts";
import { responseContent } from "../response-content.ts";
import { forwardedProto, type Hop, isReplaced } from "./hop-headers.ts";

/** A route's header operations, compiled. */
export interface HeaderEdits {
  /** Whole field lines, each with its CRLF. */
  readonly added: string;
  /** Folded names (`foldHeaderName`): every field is dropped whose name folds to one of them. */
  readonly removed: ReadonlySet<string>;
}

/** The proxy's changes to a request. */
export interface RequestEdits {
  /** Where the request enters: determines which hop headers are kept. */
  readonly hop: Exclude<Hop, "gateway">;
  /** The verified peer, if there is one; the client's own field is dropped in any case. */
  readonly forwardedClientCert: string | undefined;
  /** Creates the `x-request-id` of a request that has none. */
  readonly createRequestId: () => string;
  /** The target and host that a route rewrites; `undefined`: unchanged. */
  readonly target?: string | undefined;
  readonly authority?: string | undefined;
  readonly headers?: HeaderEdits | undefined;
}

export interface ResponseEdits {
  /** The client's connection closes after this response. */
  readonly close: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to continue (RFC 9112 §9.3). */
  readonly keepsAlive?: boolean;
  readonly headers?: HeaderEdits | undefined;
}

/**
 * The head that goes upstream: the bytes that came (an absolute target as its path, RFC 9112 §3.2.2), without
 * hop-by-hop fields (RFC 9110 §7.6.1) and without fields that only a proxy may set (`hop-headers.ts`), with this
 * proxy's fields at the end.
 */
export function rewriteRequestHead(head: RequestHead, edits: RequestEdits): string {
  const switches = head.upgrade !== undefined;
  let added = "";
  if (switches) added += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  if (edits.forwardedClientCert !== undefined) added += `x-forwarded-client-cert: ${edits.forwardedClientCert}\r\n`;
  const { hop, headers } = edits;
  if (isMissing(head, REQUEST_ID, headers)) added += `${REQUEST_ID}: ${edits.createRequestId()}\r\n`;
  if (isMissing(head, PROTO, headers)) added += `${PROTO}: ${forwardedProto(hop)}\r\n`;
  if (edits.authority !== undefined) added += `host: ${edits.authority}\r\n`;
  const target = edits.target ?? (head.target.charCodeAt(0) === SLASH ? undefined : originForm(head.target));
  const startLine = target === undefined ? undefined : `${head.method} ${target} HTTP/${head.version}\r\n`;
  const dropped = edits.authority === undefined ? OF_THE_HOP : OF_THE_HOP_AND_HOST;
  return rewrite(head, { startLine, added, headers, dropped, hop });
}

/**
 * The head that goes to the client; always HTTP/1.1, whatever the server's version (RFC 9110 §2.5), and without framing
 * if its status has none.
 */
export function rewriteResponseHead(head: ResponseHead, edits: ResponseEdits): string {
  let added = "";
  if (head.status === 101) added += `connection: upgrade\r\nupgrade: ${head.upgrade ?? ""}\r\n`;
  else if (edits.close) added += "connection: close\r\n";
  else if (edits.keepsAlive === true) added += "connection: keep-alive\r\n";
  const startLine = head.version === "1.0" ? `HTTP/1.1 ${head.status} ${head.reason}\r\n` : undefined;
  const unwraps = head.framing.kind === "chunked" && head.framing.forwards === "content";
  const withoutFraming = unwraps ? OF_THE_HOP_AND_CHUNKS : OF_THE_HOP;
  const dropped = responseContent(head.status) === "forbidden" ? OF_THE_HOP_AND_FRAMING : withoutFraming;
  return rewrite(head, { startLine, added, headers: edits.headers, dropped, hop: undefined });
}

const SLASH = 0x2f;

interface Rewriting {
  /** With its CRLF; `undefined`: unchanged. */
  readonly startLine: string | undefined;
  /** Whole field lines. */
  readonly added: string;
  readonly headers: HeaderEdits | undefined;
  /** Kinds of fields that are omitted, by `setOf`. */
  readonly dropped: number;
  /** Of a request. */
  readonly hop: Hop | undefined;
}

/** A set of kinds of fields, one bit each: it is asked for each field of each message. */
function setOf(...kinds: readonly FieldKind[]): number {
  return kinds.reduce<number>((set, kind) => set | (1 << kind), 0);
}

/** Hop-by-hop fields, and those that only the proxy writes. */
const OF_THE_HOP = setOf(FIELD.connection, FIELD.hopByHop, FIELD.upgrade, FIELD.forwardedClientCert);
const OF_THE_HOP_AND_HOST = OF_THE_HOP | setOf(FIELD.host);
const OF_THE_HOP_AND_FRAMING = OF_THE_HOP | setOf(FIELD.contentLength, FIELD.transferEncoding);

/** For a client without chunked support: the body is forwarded without chunk framing. */
const OF_THE_HOP_AND_CHUNKS = OF_THE_HOP | setOf(FIELD.transferEncoding, FIELD.trailer);

/** Kept lines are copied in the longest possible runs: most heads are one run. */
function rewrite(head: MessageHead, rewriting: Rewriting): string {
  const { startLine, added, headers, dropped } = rewriting;
  const { text, fields } = head;
  let out = startLine ?? "";
  let runStart = startLine === undefined ? 0 : head.fieldsAt;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    if ((dropped & (1 << (fields[at + 4] ?? 0))) === 0 && !isDroppedName(head, at, rewriting)) continue;
    out += text.slice(runStart, fields[at]);
    runStart = fields[at + FIELD_STRIDE] ?? text.length - 2;
  }
  if (runStart === 0 && added === "" && headers === undefined) return text;
  return `${out}${text.slice(runStart, text.length - 2)}${added}${headers?.added ?? ""}\r\n`;
}

/** By its name, which is read only if it may matter. */
function isDroppedName(head: MessageHead, at: number, { headers, hop }: Rewriting): boolean {
  const isOfHops = hop !== undefined && mayBeOfHops(head, at);
  if (!isOfHops && head.connectionTokens.length === 0 && headers === undefined) return false;
  const name = nameAt(head, at);
  if (head.connectionTokens.includes(name)) return true;
  const folded = foldHeaderName(name);
  return headers?.removed.has(folded) === true || (isOfHops && isReplaced(folded, hop));
}

const LOWER_X = 0x78;
const LOWER_E = 0x65;
const TO_LOWER = 0x20;

/**
 * A quick check of two letters: all fields that a sidecar replaces and that have no kind of their own are `x-envoy-`.
 */
function mayBeOfHops({ text, fields }: MessageHead, at: number): boolean {
  const start = fields[at] ?? 0;
  return (text.charCodeAt(start) | TO_LOWER) === LOWER_X && (text.charCodeAt(start + 2) | TO_LOWER) === LOWER_E;
}

const REQUEST_ID = "x-request-id";
const PROTO = "x-forwarded-proto";

/** A route's operations apply after the proxy's own fields: what one removes or sets is not added first. */
function isMissing(head: RequestHead, name: string, headers: HeaderEdits | undefined): boolean {
  if (headers?.removed.has(name) === true) return false;
  // A client cannot remove it by naming it in Connection.
  if (head.connectionTokens.includes(name)) return true;
  const { text, fields } = head;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    if (foldsTo(text, fields[at] ?? 0, fields[at + 1] ?? 0, name)) return false;
  }
  return true;
}

function nameAt({ text, fields }: MessageHead, at: number): string {
  return text.slice(fields[at], fields[at + 1]).toLowerCase();
}
