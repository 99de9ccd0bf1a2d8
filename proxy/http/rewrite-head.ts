import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import { FIELD, FIELD_STRIDE, type MessageHead, type RequestHead, type ResponseHead } from "../http1/message-head.ts";
import { originForm } from "../http1/origin-form.ts";
import type { HeaderEdits } from "./header-edits.ts";
import { responseContent } from "./response-content.ts";

/** What a request gets on its way through. */
export interface RequestEdits {
  /** The verified peer, where there is one; what the client sent under that name is dropped in any case. */
  readonly forwardedClientCert: string | undefined;
  /** Makes the `x-request-id` of a request that has none. */
  readonly createRequestId: () => string;
  /** A route's other target and other host; `undefined`: as they came. */
  readonly target?: string | undefined;
  readonly authority?: string | undefined;
  readonly headers?: HeaderEdits | undefined;
}

export interface ResponseEdits {
  /** The client is told that its connection ends with this answer. */
  readonly close: boolean;
  readonly headers?: HeaderEdits | undefined;
}

/**
 * The head that goes upstream: the bytes that came (an absolute target as its path, RFC 9112 §3.2.2), without the fields of the hop before (RFC 9110 §7.6.1) and without
 * an identity that somebody claims, with the fields of this hop at the end.
 */
export function rewriteRequestHead(head: RequestHead, edits: RequestEdits): string {
  const switches = head.upgrade !== undefined;
  let added = "";
  if (switches) added += `connection: upgrade\r\nupgrade: ${head.upgrade}\r\n`;
  if (edits.forwardedClientCert !== undefined) added += `x-forwarded-client-cert: ${edits.forwardedClientCert}\r\n`;
  if (!hasRequestId(head)) added += `x-request-id: ${edits.createRequestId()}\r\n`;
  if (edits.authority !== undefined) added += `host: ${edits.authority}\r\n`;
  const target = edits.target ?? (head.target.charCodeAt(0) === SLASH ? undefined : originForm(head.target));
  const startLine = target === undefined ? undefined : `${head.method} ${target} HTTP/${head.version}\r\n`;
  const dropped = edits.authority === undefined ? OF_THE_HOP : OF_THE_HOP_AND_HOST;
  return rewrite(head, { startLine, added, headers: edits.headers, dropped });
}

/**
 * The head that goes to the client; always HTTP/1.1, whatever the server speaks (RFC 9110 §2.5), and without framing
 * where its status has none.
 */
export function rewriteResponseHead(head: ResponseHead, edits: ResponseEdits): string {
  let added = "";
  if (head.status === 101) added += `connection: upgrade\r\nupgrade: ${head.upgrade ?? ""}\r\n`;
  else if (edits.close) added += "connection: close\r\n";
  const startLine = head.version === "1.0" ? `HTTP/1.1 ${head.status} ${head.reason}\r\n` : undefined;
  const dropped = responseContent(head.status) === "forbidden" ? OF_THE_HOP_AND_FRAMING : OF_THE_HOP;
  return rewrite(head, { startLine, added, headers: edits.headers, dropped });
}

const SLASH = 0x2f;

interface Rewriting {
  /** With its CRLF; `undefined`: as it came. */
  readonly startLine: string | undefined;
  /** Whole field lines. */
  readonly added: string;
  readonly headers: HeaderEdits | undefined;
  /** Kinds of fields that are left out. */
  readonly dropped: ReadonlySet<number>;
}

/** Fields of one hop, and those that the proxy alone writes. */
const OF_THE_HOP: ReadonlySet<number> = new Set([
  FIELD.connection,
  FIELD.hopByHop,
  FIELD.upgrade,
  FIELD.forwardedClientCert,
]);
const OF_THE_HOP_AND_HOST: ReadonlySet<number> = new Set([...OF_THE_HOP, FIELD.host]);
const OF_THE_HOP_AND_FRAMING: ReadonlySet<number> = new Set([
  ...OF_THE_HOP,
  FIELD.contentLength,
  FIELD.transferEncoding,
]);

/** Lines that stay are copied in runs as long as they are: most heads are one run. */
function rewrite(head: MessageHead, { startLine, added, headers, dropped }: Rewriting): string {
  const { text, fields, connectionTokens } = head;
  const looksAtNames = connectionTokens.length > 0 || headers !== undefined;
  let out = startLine ?? "";
  let runStart = startLine === undefined ? 0 : head.fieldsAt;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    const isDropped = dropped.has(fields[at + 4] ?? 0) || (looksAtNames && isDroppedName(head, at, headers));
    if (!isDropped) continue;
    out += text.slice(runStart, fields[at]);
    runStart = fields[at + FIELD_STRIDE] ?? text.length - 2;
  }
  if (runStart === 0 && added === "" && headers === undefined) return text;
  return `${out}${text.slice(runStart, text.length - 2)}${added}${headers?.added ?? ""}\r\n`;
}

function isDroppedName(head: MessageHead, at: number, headers: HeaderEdits | undefined): boolean {
  const name = head.text.slice(head.fields[at], head.fields[at + 1]).toLowerCase();
  return head.connectionTokens.includes(name) || headers?.removed.has(foldHeaderName(name)) === true;
}

function hasRequestId({ fields }: RequestHead): boolean {
  for (let at = 4; at < fields.length; at += FIELD_STRIDE) if (fields[at] === FIELD.requestId) return true;
  return false;
}
