import type { Field, FieldWriter } from "../../messages/field-access.ts";
import { FIELD, type KindSet, kindSetOf } from "../../messages/field-kinds.ts";

/** Field lines, each with its CRLF. Names and values must be valid. */
export function formatLines(fields: readonly Field[]): string {
  let lines = "";
  for (const { name, value } of fields) lines += `${name}: ${value}\r\n`;
  return lines;
}

/** Collects field lines. Names and values must be valid. */
export class LineWriter implements FieldWriter {
  lines: string;

  constructor(lines: string) {
    this.lines = lines;
  }

  field(name: string, value: string): void {
    this.lines += `${name}: ${value}\r\n`;
  }
}

/** Hop-by-hop fields (RFC 9110 §7.6.1), and those that only a proxy writes. */
export const OF_THE_HOP: KindSet = kindSetOf(
  FIELD.connection,
  FIELD.hopByHop,
  FIELD.te,
  FIELD.upgrade,
  FIELD.forwardedClientCert,
);
export const FRAMING: KindSet = kindSetOf(FIELD.contentLength, FIELD.transferEncoding);
