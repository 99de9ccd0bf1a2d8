import { REQUEST_METHODS } from "../http1/scan-request-head.ts";

/** What the first bytes of a client say of its protocol. */
export type RecognizedProtocol = "http" | "stream";

/** A first line longer than this is text without an end: HTTP, whose framer then refuses it. */
const MAX_FIRST_LINE_BYTES = 16_384;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const DELETE = 0x7f;

const HTTP_VERSION = Buffer.from("HTTP/");
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n");

/**
 * Judges what a client has sent so far, from its first byte; `undefined` while it may still be either. HTTP is a known
 * method before a target, or a first line that names an HTTP version, however malformed: what a lenient application
 * would read as HTTP must not pass as a stream, or a client could forge the headers that say who it is. HTTP/2 with
 * prior knowledge is a stream.
 */
export function recognizeHttp(bytes: Buffer): RecognizedProtocol | undefined {
  let start = 0;
  while (start < bytes.length && (bytes[start] === CR || bytes[start] === LF)) start += 1;
  if (beginsRequest(bytes.subarray(start, start + LONGEST_START))) return "http";
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === LF) return judgeLine(bytes.subarray(start, at + 1));
    if ((byte < SPACE && byte !== TAB && byte !== CR) || byte === DELETE) return "stream";
  }
  return bytes.length > MAX_FIRST_LINE_BYTES ? "http" : undefined;
}

/** Longer than any known method with its blank and the first byte of a target. */
const LONGEST_START = 16;

/** A known method, a blank, and how a target begins. */
function beginsRequest(bytes: Buffer): boolean {
  const blank = bytes.indexOf(SPACE);
  if (blank <= 0 || !TARGET_STARTS.includes(String.fromCharCode(bytes[blank + 1] ?? 0))) return false;
  return REQUEST_METHODS.has(bytes.toString("latin1", 0, blank));
}

const TARGET_STARTS = ["/", "h", "H"];

function judgeLine(line: Buffer): RecognizedProtocol {
  if (line.equals(HTTP2_PREFACE)) return "stream";
  const version = line.lastIndexOf(HTTP_VERSION);
  if (version <= 0) return "stream";
  const before = line[version - 1];
  return before === SPACE || before === TAB ? "http" : "stream";
}

const HTTP2_START = Buffer.from("PRI ");
const TLS_HANDSHAKE_RECORD = 0x16;

/**
 * On a port that is known as HTTP: whether a client speaks what is carried whole instead, which is TLS of its own or
 * HTTP/2 with prior knowledge (RFC 9113 §3.4). `undefined`: too few bytes.
 */
export function isForeignProtocol(bytes: Buffer): boolean | undefined {
  if (bytes[0] === TLS_HANDSHAKE_RECORD) return true;
  const length = Math.min(bytes.length, HTTP2_START.length);
  if (bytes.compare(HTTP2_START, 0, length, 0, length) !== 0) return false;
  return length === HTTP2_START.length ? true : undefined;
}
