import { LF, SPACE, VALUE_BYTES } from "../../messages/byte-tables.ts";
import type { Content } from "../../messages/message-head.ts";
import { TextFields } from "../../messages/text-fields.ts";
import { readDeliveryReport } from "../delivery-options.ts";
import { FramingFault } from "../framing-fault.ts";
import type { Http1Limits } from "../http1-limits.ts";
import type { Http1ResponseHead } from "../message-head.ts";
import { CHUNKED, type JudgedFields, judgeFields, NO_CONTENT, readUpgrade, UNTIL_CLOSE } from "./judge-fields.ts";
import { formatPlainHead } from "./plain-head.ts";
import { type HeadBytes, scanFields } from "./scan-fields.ts";

/** The properties of the request that determine its response's framing. */
export interface ResponseContext {
  readonly method: string;
  readonly hasUpgrade: boolean;
}

const DIGIT_0 = 0x30;
/** `HTTP/1.1 200`. */
const STATUS_END = 12;

/**
 * Reads a complete response head, and rewrites a legal but unusual one in its canonical form; throws a `FramingFault`.
 */
export function scanResponseHead(bytes: HeadBytes, request: ResponseContext, limits: Http1Limits): Http1ResponseHead {
  const head = scanLines(bytes, request, limits, true);
  const { fields } = head;
  if (fields.isVerbatim) return head;
  const startLine = fields.text.slice(0, fields.fieldsAt);
  const text = formatPlainHead({ fields, startLine, host: undefined });
  const plain = Buffer.from(text, "latin1");
  return scanLines({ buffer: plain, start: 0, end: plain.length, text }, request, limits, false);
}

/** @param isReceived whether these are the received bytes. */
function scanLines(
  head: HeadBytes,
  request: ResponseContext,
  limits: Http1Limits,
  isReceived: boolean,
): Http1ResponseHead {
  const { buffer, start, text } = head;
  const version = readVersion(text);
  const status = readStatus(text);
  const lineEnd = scanReason(buffer, start + STATUS_END) - start;
  const fieldsAt = lineEnd + 2;
  const offsets = scanFields(head, fieldsAt, limits, "maxResponseFields");
  const judged = judgeFields(text, offsets);
  const upgrade = readUpgrade(judged);
  if (status < 200 && (judged.closes || (judged.contentLength ?? 0) > 0)) {
    throw new FramingFault("ambiguous_framing", "an interim response with content, or one that closes the connection");
  }
  if (status === 101 && (!request.hasUpgrade || upgrade === undefined)) {
    throw new FramingFault("bad_upgrade", "an upgrade that was not requested");
  }
  const { hopNames, isPlain, idleSeconds } = judged;
  return {
    version,
    status,
    fields: new TextFields(text, offsets, hopNames, isReceived && isPlain),
    content: decideContent(judged, { status, version, request }),
    upgrade,
    report: readDeliveryReport(status, hopNames),
    keepAlive: !judged.closes && (version === "1.1" || judged.keepsAlive),
    idleSeconds,
  };
}

function readVersion(text: string): "1.1" | "1.0" {
  if (text.startsWith("HTTP/1.1 ")) return "1.1";
  if (text.startsWith("HTTP/1.0 ")) return "1.0";
  throw new FramingFault("bad_start_line", "a response that does not begin with HTTP/1.1 or HTTP/1.0");
}

function readStatus(text: string): number {
  let status = 0;
  for (let at = STATUS_END - 3; at < STATUS_END; at += 1) {
    const digit = text.charCodeAt(at) - DIGIT_0;
    if (!(digit >= 0 && digit <= 9)) throw new FramingFault("bad_start_line", "an invalid status");
    status = status * 10 + digit;
  }
  if (status < 100) throw new FramingFault("bad_start_line", "an invalid status");
  return status;
}

/** The reason and the blank before it may be missing (RFC 9112 §4). */
function scanReason(buffer: Buffer, start: number): number {
  if (buffer[start] === SPACE) {
    let at = start + 1;
    while (VALUE_BYTES[buffer[at] ?? 0] === 1) at += 1;
    return expectLineEnd(buffer, at);
  }
  return expectLineEnd(buffer, start);
}

function expectLineEnd(buffer: Buffer, at: number): number {
  if (buffer[at] === 0x0d && buffer[at + 1] === LF) return at;
  if (buffer[at] === LF || buffer[at] === 0x0d)
    throw new FramingFault("bad_line_end", "an invalid end of the status line");
  throw new FramingFault("bad_start_line", "a character that is not allowed in a status line");
}

/** RFC 9112 §6.3, in its order. */
function decideContent(
  judged: JudgedFields,
  {
    status,
    version,
    request,
  }: { readonly status: number; readonly version: string; readonly request: ResponseContext },
): Content {
  if (judged.isChunked && version === "1.0") {
    throw new FramingFault("bad_transfer_encoding", "Transfer-Encoding in HTTP/1.0");
  }
  if (judged.isChunked && (status < 200 || status === 204)) {
    // RFC 9112 §6.1 forbids it, and parsers disagree on where such a response ends.
    throw new FramingFault("ambiguous_framing", "Transfer-Encoding in a response without content");
  }
  if (request.method === "HEAD" || status < 200 || status === 204 || status === 304) return NO_CONTENT;
  if (judged.isChunked) return CHUNKED;
  if (judged.contentLength === undefined) return UNTIL_CLOSE;
  return judged.contentLength === 0 ? NO_CONTENT : { kind: "length", length: judged.contentLength };
}
