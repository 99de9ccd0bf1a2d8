import { FIELD } from "../../messages/field-kinds.ts";
import { FIELD_STRIDE, type TextFields } from "../../messages/text-fields.ts";

/** A scanned and validated head. */
export interface ScannedHead {
  readonly fields: TextFields;
  /** With its CRLF. */
  readonly startLine: string;
  /** The new value of the `Host` field; `undefined`: none, as in a response. */
  readonly host: string | undefined;
}

/**
 * Rewrites a legal but unusual head in the canonical form that all parsers read alike: framing fields with a single
 * blank, and a single Host (RFC 9112 §3.2.2). Other lines stay unchanged.
 */
export function formatPlainHead({ fields: { text, offsets: fields }, startLine, host }: ScannedHead): string {
  let lines = "";
  let hasHost = host === undefined;
  for (let at = 0; at < fields.length; at += FIELD_STRIDE) {
    const name = text.slice(fields[at], fields[at + 1]);
    switch (fields[at + 4]) {
      case FIELD.host:
        lines += `${name}: ${host ?? ""}\r\n`;
        hasHost = true;
        break;
      case FIELD.contentLength:
      case FIELD.transferEncoding:
        lines += `${name}: ${text.slice(fields[at + 2], fields[at + 3])}\r\n`;
        break;
      default:
        lines += text.slice(fields[at], fields[at + FIELD_STRIDE] ?? text.length - 2);
    }
  }
  return `${startLine}${hasHost ? "" : `host: ${host ?? ""}\r\n`}${lines}\r\n`;
}
