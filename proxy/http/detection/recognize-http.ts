import { REQUEST_METHODS } from "../../http1/scan-request-head.ts";

/** What the first bytes of a client say of its protocol. */
export type RecognizedProtocol = "http" | "stream";

/** A first line longer than this is text without an end: HTTP, whose framer then refuses it. */
const MAX_FIRST_LINE_BYTES = 16_384;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const DELETE = 0x7f;

/** What stands before a version; Node's parser takes the last two, too, and hands such a request to the application. */
const PROTOCOL_NAMES = ["HTTP/", "RTSP/", "ICE/"].map((name) => Buffer.from(name));
/** RFC 9113 §3.4, whole: behind a part of it a lenient application reads HTTP/1.1. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** A handshake record of any version (RFC 8446 §5.1). */
const TLS_START = Buffer.from([0x16, 0x03]);

/**
 * Judges what a client has sent so far, from its first byte; `undefined` while it may still be either. HTTP is a known
 * method before a target, or a first line that names an HTTP version, however malformed: what a lenient application
 * would read as HTTP must not pass as a stream, or a client could forge the headers that say who it is. HTTP/2 with
 * prior knowledge is a stream.
 */
export function recognizeHttp(bytes: Buffer): RecognizedProtocol | undefined {
  const isHttp2 = beginsWith(bytes, HTTP2_PREFACE);
  if (isHttp2 !== false) return isHttp2 === true ? "stream" : undefined;
  const start = skipEmptyLines(bytes);
  if (beginsRequest(bytes.subarray(start, start + LONGEST_START))) return "http";
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === LF) return judgeLine(bytes.subarray(start, at + 1));
    if ((byte < SPACE && byte !== TAB && byte !== CR) || byte === DELETE) return "stream";
  }
  return bytes.length > MAX_FIRST_LINE_BYTES ? "http" : undefined;
}

function skipEmptyLines(bytes: Buffer): number {
  let start = 0;
  while (bytes[start] === CR || bytes[start] === LF) start += 1;
  return start;
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
  return PROTOCOL_NAMES.some((name) => namesVersion(line, name)) ? "http" : "stream";
}

function namesVersion(line: Buffer, name: Buffer): boolean {
  const version = line.lastIndexOf(name);
  const before = line[version - 1];
  return version > 0 && (before === SPACE || before === TAB);
}

/**
 * On a port that is known as HTTP: whether a client speaks what is carried whole instead, which is TLS of its own or
 * HTTP/2 with prior knowledge (RFC 9113 §3.4). `undefined`: too few bytes.
 */
export function isForeignProtocol(bytes: Buffer): boolean | undefined {
  const isTls = beginsWith(bytes, TLS_START);
  return isTls === false ? beginsWith(bytes, HTTP2_PREFACE) : isTls;
}

/** `undefined`: so far. */
function beginsWith(bytes: Buffer, start: Buffer): boolean | undefined {
  const length = Math.min(bytes.length, start.length);
  if (bytes.compare(start, 0, length, 0, length) !== 0) return false;
  return length === start.length ? true : undefined;
}
