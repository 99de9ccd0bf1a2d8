import { COLON, CR, LF, SPACE, TAB, TOKEN_BYTES, VALUE_BYTES } from "../../messages/byte-tables.ts";
import { fieldKindAt, isConfusable } from "../../messages/field-kinds.ts";
import { FIELD_STRIDE } from "../../messages/text-fields.ts";
import { FramingFault } from "../framing-fault.ts";
import { type Http1Limits, limitFault } from "../http1-limits.ts";

/** A head as bytes and as text; text offsets plus `start` are byte offsets. */
export interface HeadBytes {
  readonly buffer: Buffer;
  /** Where the head begins in `buffer`. */
  readonly start: number;
  /** After its empty line. */
  readonly end: number;
  readonly text: string;
}

/**
 * Reads the field lines of a head, from `at` (an offset into `text`) to the empty line, in one pass (RFC 9112 §5).
 * Refuses a blank before the colon, a folded line, a line end other than CRLF, and a control character in a value.
 */
export function scanFields(
  head: HeadBytes,
  at: number,
  limits: Http1Limits,
  limit: "maxRequestFields" | "maxResponseFields",
): readonly number[] {
  const fields: number[] = [];
  const { buffer, start } = head;
  const last = head.end - start - 2;
  for (let line = at; line < last; ) {
    if (fields.length >= limits[limit] * FIELD_STRIDE) throw limitFault("too_many_fields", limit, limits);
    line = scanField(head, line, fields);
  }
  if (buffer[start + last] !== CR) throw new FramingFault("bad_line_end", "the head does not end with an empty line");
  return fields;
}

/** Reads one line; returns the offset of the next. */
function scanField(head: HeadBytes, nameStart: number, fields: number[]): number {
  const { buffer, start, text } = head;
  const nameEnd = scanName(head, nameStart);
  let at = start + nameEnd + 1;
  while (buffer[at] === SPACE || buffer[at] === TAB) at += 1;
  const valueStart = at - start;
  while (VALUE_BYTES[buffer[at] ?? 0] === 1) at += 1;
  if (buffer[at] !== CR) throw valueFault(buffer[at]);
  if (buffer[at + 1] !== LF) throw new FramingFault("bad_line_end", "a carriage return that does not end a line");
  let valueEnd = at - start;
  while (valueEnd > valueStart && isBlank(buffer[start + valueEnd - 1])) valueEnd -= 1;
  fields.push(nameStart, nameEnd, valueStart, valueEnd, fieldKindAt(text, nameStart, nameEnd));
  return at + 2 - start;
}

/** Returns where the name ends, the offset of its colon. */
function scanName({ buffer, start, text }: HeadBytes, nameStart: number): number {
  let at = start + nameStart;
  let isFolded = false;
  let kind = TOKEN_BYTES[buffer[at] ?? 0];
  while (kind !== 0) {
    if (kind === 2) isFolded = true;
    at += 1;
    kind = TOKEN_BYTES[buffer[at] ?? 0];
  }
  const nameEnd = at - start;
  if (buffer[at] !== COLON || nameEnd === nameStart) throw nameFault(buffer[at], nameEnd === nameStart);
  if (isFolded && isConfusable(text.slice(nameStart, nameEnd))) {
    throw new FramingFault("bad_field_name", "a field name that some servers read as another one");
  }
  return nameEnd;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function nameFault(byte: number | undefined, isFirst: boolean): FramingFault {
  if (byte === LF) return new FramingFault("bad_line_end", "a line that ends without a carriage return");
  if (isFirst && isBlank(byte)) return new FramingFault("bad_field_line", "a folded line");
  if (isFirst && byte === COLON) return new FramingFault("bad_field_name", "a field without a name");
  if (byte === CR) return new FramingFault("bad_field_line", "a line without a colon");
  return new FramingFault("bad_field_name", "a character that is not allowed in a field name");
}

function valueFault(byte: number | undefined): FramingFault {
  if (byte === LF) return new FramingFault("bad_line_end", "a line that ends without a carriage return");
  return new FramingFault("bad_field_value", "a control character in a field's value");
}
