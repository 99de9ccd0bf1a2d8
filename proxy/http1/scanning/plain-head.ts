import { FIELD, FIELD_STRIDE } from "../message-head.ts";

/** A head whose lines have been found and judged. */
export interface ScannedHead {
  readonly text: string;
  readonly fields: readonly number[];
  /** With its CRLF. */
  readonly startLine: string;
  /** What the `Host` field is to be; `undefined`: there is none, as in a response. */
  readonly host: string | undefined;
}

/**
 * Writes a head anew where it is legal and unusual, so that whoever reads it next finds the one form that all parsers
 * read alike: lines of framing with a single blank, and the one Host that the request is for (RFC 9112 §3.2.2). Other
 * lines stay as they came.
 */
export function formatPlainHead({ text, fields, startLine, host }: ScannedHead): string {
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
