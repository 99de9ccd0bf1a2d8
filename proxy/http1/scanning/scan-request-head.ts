import { CR, LF, SPACE, TARGET_BYTES, TOKEN_BYTES } from "../../messages/byte-tables.ts";
import { isMistakableMethod } from "../../messages/grammar.ts";
import type { Content } from "../../messages/message-head.ts";
import { plainAuthority } from "../../messages/plain-authority.ts";
import { TextFields } from "../../messages/text-fields.ts";
import type { Http1Fault } from "../framer-events.ts";
import { FramingFault, faultFrom } from "../framing-fault.ts";
import type { Http1Limits } from "../http1-limits.ts";
import type { Http1RequestHead } from "../message-head.ts";
import { MAX_METHOD_BYTES } from "../request-line-watch.ts";
import { CHUNKED, type JudgedFields, judgeFields, NO_CONTENT, readUpgrade } from "./judge-fields.ts";
import { originForm } from "./origin-form.ts";
import { formatPlainHead } from "./plain-head.ts";
import { type HeadBytes, scanFields } from "./scan-fields.ts";

const SLASH = 0x2f;
const VERSION_BYTES = "HTTP/1.1\r\n".length;

/** Reads a complete request head, from `start` to after its empty line; throws a `FramingFault`. */
export function scanRequestHead(buffer: Buffer, start: number, end: number, limits: Http1Limits): Http1RequestHead {
  return readRequestHead({ buffer, start, end, text: buffer.toString("latin1", start, end) }, limits);
}

/**
 * The same, of a head whose text is known. A legal but unusual head is rewritten in its canonical form and read again,
 * so everything after the framer only sees that form.
 */
export function readRequestHead(bytes: HeadBytes, limits: Http1Limits): Http1RequestHead {
  const head = scanLines(bytes, limits, true);
  if (head.fields.isVerbatim) return head;
  const { fields, authority: host } = head;
  const startLine = `${head.method} ${head.path} HTTP/${head.version}\r\n`;
  const text = formatPlainHead({ fields, startLine, host });
  const plain = Buffer.from(text, "latin1");
  return scanLines({ buffer: plain, start: 0, end: plain.length, text }, limits, false);
}

/** @param isReceived whether these are the received bytes; `isVerbatim`: and in their canonical form. */
function scanLines(head: HeadBytes, limits: Http1Limits, isReceived: boolean): Http1RequestHead {
  const { buffer, start, text } = head;
  const methodEnd = scanMethod(buffer, start) - start;
  const method = text.slice(0, methodEnd);
  if (method === "CONNECT") throw new FramingFault("connect_refused", "CONNECT is not supported");
  if (isMistakableMethod(method))
    throw new FramingFault(
      "bad_method",
      "a method that some servers read as another one, or as HTTP/2: write it in capitals",
      501,
    );
  const targetEnd = scanTarget(buffer, start + methodEnd + 1) - start;
  const target = text.slice(methodEnd + 1, targetEnd);
  const version = readVersion(text, targetEnd + 1);
  const fieldsAt = targetEnd + 1 + VERSION_BYTES;
  const offsets = scanFields(head, fieldsAt, limits, "maxRequestFields");
  const judged = judgeFields(text, offsets);
  const host = judgeHost(judged, version, judgeTarget(target, method));
  const isVerbatim = isReceived && judged.isPlain && host === (judged.host ?? "");
  return {
    version,
    method,
    scheme: "http",
    authority: host,
    path: originForm(target),
    fields: new TextFields(text, offsets, judged.hopNames, isVerbatim),
    content: decideContent(judged, version),
    upgrade: version === "1.1" ? readUpgrade(judged) : undefined,
    expectsContinue: judgeExpect(judged, version),
    keepAlive: !judged.closes && (version === "1.1" || judged.keepsAlive),
    bytes: text.length,
  };
}

/**
 * The fault of a request line that can no longer become valid, whatever follows.
 * @param head begins with the line, or with the empty line before it (RFC 9112 §2.2).
 */
export function faultOfRequestLine(head: Buffer, limits: Http1Limits): Http1Fault {
  try {
    const start = head[0] === CR && head[1] === LF ? 2 : 0;
    scanRequestHead(head, start, head.length, limits);
  } catch (caught) {
    return faultFrom(caught);
  }
  return new FramingFault("bad_start_line", "an invalid request line");
}

function scanMethod(buffer: Buffer, start: number): number {
  let at = start;
  while (TOKEN_BYTES[buffer[at] ?? 0] !== 0 && at - start < MAX_METHOD_BYTES) at += 1;
  if (at === start) throw new FramingFault("bad_start_line", "a request that does not begin with a method");
  if (buffer[at] !== SPACE) throw new FramingFault("bad_method", "an invalid method");
  return at;
}

function scanTarget(buffer: Buffer, start: number): number {
  let at = start;
  while (TARGET_BYTES[buffer[at] ?? 0] === 1) at += 1;
  if (at === start) throw new FramingFault("bad_start_line", "a request line without a target");
  if (buffer[at] !== SPACE) throw new FramingFault("bad_target", "a character that is not allowed in a request target");
  return at;
}

function readVersion(text: string, at: number): "1.1" | "1.0" {
  if (text.startsWith("HTTP/1.1\r\n", at)) return "1.1";
  if (text.startsWith("HTTP/1.0\r\n", at)) return "1.0";
  if (/^HTTP\/\d\.\d\r\n/.test(text.slice(at, at + VERSION_BYTES))) {
    throw new FramingFault("bad_version", "neither HTTP/1.1 nor HTTP/1.0");
  }
  throw new FramingFault("bad_start_line", "a request line that does not end with a version");
}

function decideContent(judged: JudgedFields, version: "1.1" | "1.0"): Content {
  if (judged.isChunked) {
    // RFC 9112 §6.1: the framing of such a message is faulty.
    if (version === "1.0") throw new FramingFault("bad_transfer_encoding", "Transfer-Encoding in HTTP/1.0");
    return CHUNKED;
  }
  return judged.contentLength === undefined || judged.contentLength === 0
    ? NO_CONTENT
    : { kind: "length", length: judged.contentLength };
}

/** RFC 9112 §3.2: exactly one unambiguous Host. The target's authority takes precedence (§3.2.2). */
function judgeHost({ host }: JudgedFields, version: "1.1" | "1.0", authority: string | undefined): string {
  if (host === undefined && version === "1.1") throw new FramingFault("bad_host", "no Host field");
  const plain = plainAuthority(host ?? "");
  if (plain === undefined) throw new FramingFault("bad_host", "an invalid Host field");
  return authority === undefined || authority.toLowerCase() === plain.toLowerCase() ? plain : authority;
}

/** RFC 9112 §3.2: origin form, absolute form, or `*` for OPTIONS. @returns the plain authority of an absolute form. */
function judgeTarget(target: string, method: string): string | undefined {
  if (target.charCodeAt(0) === SLASH) return undefined;
  if (target === "*" && method === "OPTIONS") return undefined;
  const authority = /^https?:\/\/([^/?]*)/i.exec(target)?.[1];
  const plain = authority === undefined ? undefined : plainAuthority(authority);
  if (plain === undefined || plain === "") {
    throw new FramingFault("bad_target", "a request target of an unknown form");
  }
  return plain;
}

/** Any other expectation is left to the server (RFC 9110 §10.1.1), as in Envoy: it does not affect framing. */
function judgeExpect({ expect }: JudgedFields, version: "1.1" | "1.0"): boolean {
  return version === "1.1" && expect?.toLowerCase() === "100-continue";
}
