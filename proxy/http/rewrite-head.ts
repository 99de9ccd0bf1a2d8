import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import { FIELD, FIELD_STRIDE, type MessageHead, type RequestHead, type ResponseHead } from "../http1/message-head.ts";
import { originForm } from "../http1/origin-form.ts";
import type { HeaderEdits } from "./header-edits.ts";

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
  return rewrite(head, { startLine, added, headers: edits.headers, dropsHost: edits.authority !== undefined });
}

/** The head that goes to the client; always HTTP/1.1, whatever the server speaks (RFC 9110 §2.5). */
export function rewriteResponseHead(head: ResponseHead, edits: ResponseEdits): string {
  let added = "";
  if (head.status === 101) added += `connection: upgrade\r\nupgrade: ${head.upgrade ?? ""}\r\n`;
  else if (edits.close) added += "connection: close\r\n";
  const startLine = head.version === "1.0" ? `HTTP/1.1 ${head.status} ${head.reason}\r\n` : undefined;
  return rewrite(head, { startLine, added, headers: edits.headers, dropsHost: false });
}

const SLASH = 0x2f;

interface Rewriting {
  /** With its CRLF; `undefined`: as it came. */
  readonly startLine: string | undefined;
  /** Whole field lines. */
  readonly added: string;
  readonly headers: HeaderEdits | undefined;
  readonly dropsHost: boolean;
}

/** Lines that stay are copied in runs as long as they are: most heads are one run. */
function rewrite(head: MessageHead, { startLine, added, headers, dropsHost }: Rewriting): string {
  const { text, fields, connectionTokens } = head;
  const looksAtNames = connectionTokens.length > 0 || headers !== undefined;
  let out = startLine ?? "";
  let runStart = startLine === undefined ? 0 : head.fieldsAt;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    const isDropped =
      isDroppedKind(fields[at + 4] ?? 0, dropsHost) || (looksAtNames && isDroppedName(head, at, headers));
    if (!isDropped) continue;
    out += text.slice(runStart, fields[at]);
    runStart = fields[at + FIELD_STRIDE] ?? text.length - 2;
  }
  if (runStart === 0 && added === "" && headers === undefined) return text;
  return `${out}${text.slice(runStart, text.length - 2)}${added}${headers?.added ?? ""}\r\n`;
}

/** Fields of one hop, and those that the proxy alone writes. */
function isDroppedKind(kind: number, dropsHost: boolean): boolean {
  switch (kind) {
    case FIELD.connection:
    case FIELD.hopByHop:
    case FIELD.upgrade:
    case FIELD.forwardedClientCert:
      return true;
    case FIELD.host:
      return dropsHost;
    default:
      return false;
  }
}

function isDroppedName(head: MessageHead, at: number, headers: HeaderEdits | undefined): boolean {
  const name = head.text.slice(head.fields[at], head.fields[at + 1]).toLowerCase();
  return head.connectionTokens.includes(name) || headers?.removed.has(foldHeaderName(name)) === true;
}

function hasRequestId({ fields }: RequestHead): boolean {
  for (let at = 4; at < fields.length; at += FIELD_STRIDE) if (fields[at] === FIELD.requestId) return true;
  return false;
}
