import {
  COLON,
  CR,
  HEX_DIGITS,
  LF,
  SEMICOLON,
  SPACE,
  TAB,
  TOKEN_BYTES,
  VALUE_BYTES,
} from "../../messages/byte-tables.ts";
import { isForbiddenTrailer } from "../../messages/field-kinds.ts";
import { FramingFault } from "../framing-fault.ts";

/** A number cannot hold more digits exactly. */
const MAX_SIZE_DIGITS = 13;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The size of a chunk and the length of its extensions, from `start` to before the line's CRLF. */
export function parseChunkLine(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly size: number; readonly extensionBytes: number } {
  let at = start;
  let size = 0;
  for (let digit = HEX_DIGITS[bytes[at] ?? 0] ?? 0; at < end && digit !== 0; digit = HEX_DIGITS[bytes[at] ?? 0] ?? 0) {
    size = size * 16 + digit - 1;
    at += 1;
  }
  if (at === start) throw new FramingFault("bad_chunk", "a chunk size that is not a number");
  if (at - start > MAX_SIZE_DIGITS) throw new FramingFault("bad_chunk", "a chunk size with too many digits");
  if (at < end) judgeExtensions(bytes, at, end);
  return { size, extensionBytes: end - at };
}

/** RFC 9112 §7.1.1: names, values and quoted strings, with blanks around `;` and `=`. Extensions are not forwarded. */
function judgeExtensions(bytes: Buffer, start: number, end: number): void {
  let at = start;
  while (at < end) {
    at = skipBlanks(bytes, at);
    if (bytes[at] !== SEMICOLON) throw badExtension();
    at = skipToken(bytes, skipBlanks(bytes, at + 1), end);
    const mark = skipBlanks(bytes, at);
    if (bytes[mark] === EQUALS) at = skipExtensionValue(bytes, skipBlanks(bytes, mark + 1), end);
  }
}

/** It ends at the line's CR at the latest. */
function skipBlanks(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
  return at;
}

function skipExtensionValue(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] !== QUOTE) return skipToken(bytes, start, end);
  let at = start + 1;
  while (at < end && bytes[at] !== QUOTE) {
    if (bytes[at] === BACKSLASH) at += 1;
    if (VALUE_BYTES[bytes[at] ?? 0] !== 1) throw badExtension();
    at += 1;
  }
  if (at >= end) throw badExtension();
  return at + 1;
}

function skipToken(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && TOKEN_BYTES[bytes[at] ?? 0] !== 0) at += 1;
  if (at === start) throw badExtension();
  return at;
}

function badExtension(): FramingFault {
  return new FramingFault("bad_chunk", "a malformed chunk extension");
}

/** Judges one line of a trailer, including its line end: a field, or the empty line that ends the message. */
export function judgeTrailerLine(line: Buffer): "field" | "end" {
  const end = line.length - 2;
  if (line[end] !== CR || line[end + 1] !== LF) throw new FramingFault("bad_trailer", "a trailer line without CRLF");
  if (end === 0) return "end";
  let at = 0;
  while (TOKEN_BYTES[line[at] ?? 0] !== 0) at += 1;
  if (at === 0 || line[at] !== COLON) throw new FramingFault("bad_trailer", "a trailer line that is not a field");
  if (isForbiddenTrailer(line.toString("latin1", 0, at))) {
    throw new FramingFault("bad_trailer", "a field that is not allowed in a trailer");
  }
  for (at += 1; at < end; at += 1) {
    if (VALUE_BYTES[line[at] ?? 0] !== 1) throw new FramingFault("bad_trailer", "a control character in a trailer");
  }
  return "field";
}
