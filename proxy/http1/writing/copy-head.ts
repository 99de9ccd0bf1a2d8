import { type FieldRules, isDroppedByName } from "../../messages/edits/head-edits.ts";
import { FIELD_STRIDE, type TextFields } from "../../messages/text-fields.ts";
import { formatLines } from "./format-lines.ts";

export interface HeadChanges extends FieldRules {
  /** With its CRLF; `undefined`: unchanged. */
  readonly startLine: string | undefined;
  /** Whole lines of this codec's own, before those of the route. */
  readonly added: string;
}

/**
 * A head that came over HTTP/1.x, with changes. Kept lines are copied in the longest possible runs: most heads are one
 * run.
 */
export function copyHead(fields: TextFields, changes: HeadChanges): string {
  const { startLine, added, headers, dropped } = changes;
  const { text, offsets } = fields;
  let out = startLine ?? "";
  let runStart = startLine === undefined ? 0 : fields.fieldsAt;
  for (let at = 0, index = 0; at < offsets.length; at += FIELD_STRIDE, index += 1) {
    if ((dropped & (1 << (offsets[at + 4] ?? 0))) === 0 && !isDroppedByName(fields, index, changes)) continue;
    out += text.slice(runStart, offsets[at]);
    runStart = offsets[at + FIELD_STRIDE] ?? text.length - 2;
  }
  if (runStart === 0 && added === "" && headers === undefined) return text;
  const ofRoute = headers === undefined ? "" : formatLines(headers.added);
  return `${out}${text.slice(runStart, text.length - 2)}${added}${ofRoute}\r\n`;
}
