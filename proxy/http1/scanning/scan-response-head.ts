import { FramingFault } from "../framing-fault.ts";
import type { Http1Limits } from "../http1-limits.ts";
import type { BodyFraming, ResponseHead } from "../message-head.ts";
import { LF, SPACE, VALUE_BYTES } from "./byte-tables.ts";
import { CHUNKED_BODY, type JudgedFields, judgeFields, NO_BODY, readUpgrade, UNWRAPPED_BODY } from "./judge-fields.ts";
import { formatPlainHead } from "./plain-head.ts";
import { scanFields } from "./scan-fields.ts";

/** What of the request an answer's framing hangs on. */
export interface ResponseContext {
  readonly method: string;
  readonly hasUpgrade: boolean;
  /** Of the client's request: HTTP/1.0 knows no chunks. @default 1.1 */
  readonly version?: "1.1" | "1.0";
}

/** `HTTP/1.1 200`. */
const STATUS_END = 12;

export interface ResponseHeadBytes {
  readonly buffer: Buffer;
  readonly start: number;
  /** Behind the empty line. */
  readonly end: number;
}

/** Reads a whole response head, and writes one that is legal and unusual in its plain form; throws a `FramingFault`. */
export function scanResponseHead(
  bytes: ResponseHeadBytes,
  request: ResponseContext,
  limits: Http1Limits,
): ResponseHead {
  const { head, isPlain } = scanLines(bytes, request, limits);
  if (isPlain) return head;
  const { text, fields, fieldsAt } = head;
  const startLine = text.slice(0, fieldsAt);
  const plain = Buffer.from(formatPlainHead({ text, fields, startLine, host: undefined }), "latin1");
  const again = scanLines({ buffer: plain, start: 0, end: plain.length }, request, limits);
  return { ...again.head, isVerbatim: false };
}

function scanLines(
  { buffer, start, end }: ResponseHeadBytes,
  request: ResponseContext,
  limits: Http1Limits,
): { readonly head: ResponseHead; readonly isPlain: boolean } {
  const text = buffer.toString("latin1", start, end);
  const version = readVersion(text);
  const status = readStatus(text);
  const lineEnd = scanReason(buffer, start + STATUS_END) - start;
  const fieldsAt = lineEnd + 2;
  const fields = scanFields({ buffer, start, end, text }, fieldsAt, limits, "maxResponseFields");
  const judged = judgeFields(text, fields);
  const upgrade = readUpgrade(judged);
  if (status < 200 && (judged.closes || (judged.contentLength ?? 0) > 0)) {
    throw new FramingFault("ambiguous_framing", "an interim answer with content, or that ends the connection");
  }
  if (status === 101 && (!request.hasUpgrade || upgrade === undefined)) {
    throw new FramingFault("bad_upgrade", "a switch of protocols that was not asked for");
  }
  const head = {
    text,
    isVerbatim: true,
    fieldsAt,
    fields,
    version,
    status,
    reason: text.slice(STATUS_END + 1, lineEnd),
    framing: decideFraming(judged, { status, version, request }),
    keepAlive: !judged.closes && (version === "1.1" || judged.keepsAlive),
    connectionTokens: judged.connectionTokens,
    upgrade,
    idleSeconds: judged.idleSeconds,
  };
  return { head, isPlain: judged.isPlain };
}

function readVersion(text: string): "1.1" | "1.0" {
  if (text.startsWith("HTTP/1.1 ")) return "1.1";
  if (text.startsWith("HTTP/1.0 ")) return "1.0";
  throw new FramingFault("bad_start_line", "an answer that does not begin with HTTP/1.1 or HTTP/1.0");
}

function readStatus(text: string): number {
  const digits = text.slice(STATUS_END - 3, STATUS_END);
  if (!/^[1-9]\d\d$/.test(digits)) throw new FramingFault("bad_start_line", "a status that is none");
  return Number(digits);
}

/** The reason and its blank may be missing (RFC 9112 §4). */
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
  if (buffer[at] === LF || buffer[at] === 0x0d) throw new FramingFault("bad_line_end", "a status line that ends badly");
  throw new FramingFault("bad_start_line", "a character that no status line has");
}

/** RFC 9112 §6.3, in its order. */
function decideFraming(
  judged: JudgedFields,
  {
    status,
    version,
    request,
  }: { readonly status: number; readonly version: string; readonly request: ResponseContext },
): BodyFraming {
  if (judged.isChunked && version === "1.0") {
    throw new FramingFault("bad_transfer_encoding", "Transfer-Encoding in HTTP/1.0");
  }
  if (judged.isChunked && (status < 200 || status === 204)) {
    // RFC 9112 §6.1 forbids it, and parsers differ on where such an answer ends.
    throw new FramingFault("ambiguous_framing", "Transfer-Encoding in an answer that has no content");
  }
  if (request.method === "HEAD" || status < 200 || status === 204 || status === 304) return NO_BODY;
  if (judged.isChunked) return request.version === "1.0" ? UNWRAPPED_BODY : CHUNKED_BODY;
  if (judged.contentLength === undefined) return { kind: "until_close" };
  return judged.contentLength === 0 ? NO_BODY : { kind: "length", length: judged.contentLength };
}
