import { type FieldRules, isDropped } from "../../messages/edits/head-edits.ts";
import { isConfusable } from "../../messages/field-kinds.ts";
import type { Fields } from "../../messages/fields.ts";
import { isFieldValue, isToken } from "../../messages/grammar.ts";
import { UnsoundHead } from "../../messages/unsound-head.ts";
import type { HeadChanges } from "./copy-head.ts";
import { formatLines } from "./format-lines.ts";

/**
 * A whole, strict HTTP/1.1 head for a message that came in another version: each name and value is checked again before
 * it becomes a line, because one CR or LF in it would begin another message (compare CVE-2019-9900, CVE-2021-39241).
 * Crumbs of a cookie become one field (RFC 9113 §8.2.3).
 */
export function buildHead(fields: Fields, changes: HeadChanges & { readonly startLine: string }): string {
  const { startLine, added, headers } = changes;
  const ofRoute = headers === undefined ? "" : formatLines(headers.added);
  return `${startLine}${buildLines(fields, changes)}${added}${ofRoute}\r\n`;
}

function buildLines(fields: Fields, rules: FieldRules): string {
  let lines = "";
  let hasCookie = false;
  for (let index = 0; index < fields.count; index += 1) {
    if (isDropped(fields, index, rules)) continue;
    const name = fields.nameAt(index);
    if (name !== "cookie") lines += soundLine(name, fields.valueAt(index));
    else if (!hasCookie) {
      hasCookie = true;
      lines += soundLine(name, fields.get(name) ?? "");
    }
  }
  return lines;
}

function soundLine(name: string, value: string): string {
  if (!isToken(name) || (!/^[a-z0-9-]*$/.test(name) && isConfusable(name))) throw new UnsoundHead("a field name");
  if (!isFieldValue(value)) throw new UnsoundHead("a field value");
  return `${name}: ${value}\r\n`;
}
