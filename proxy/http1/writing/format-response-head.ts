import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { FIELD, type KindSet, kindSetOf } from "../../messages/field-kinds.ts";
import type { FieldList } from "../../messages/field-list.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import { responseContent } from "../../messages/response-content.ts";
import type { TextFields } from "../../messages/text-fields.ts";
import { UnsoundHead } from "../../messages/unsound-head.ts";
import type { BodyCoding } from "./body-coding.ts";
import { buildHead } from "./build-head.ts";
import { copyHead } from "./copy-head.ts";
import { FRAMING, OF_THE_HOP } from "./format-lines.ts";
import { REASON_PHRASES } from "./reason-phrases.ts";

export interface ResponseEdits {
  /** The client's connection closes after this response. */
  readonly close: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to continue (RFC 9112 §9.3). */
  readonly keepsAlive?: boolean;
  /** How the body is written. @default as_it_came */
  readonly coding?: BodyCoding;
  /** Of a response to HEAD, the length is that of GET's response. */
  readonly isHead?: boolean;
  /** The route's operations. */
  readonly headers?: FoldedHeaders | undefined;
}

/** For a client without chunks: the body goes without their framing. */
const OF_THE_HOP_AND_CHUNKS = OF_THE_HOP | kindSetOf(FIELD.transferEncoding, FIELD.trailer);
const OF_THE_HOP_AND_FRAMING = OF_THE_HOP | FRAMING;
/** Host means nothing in a response, and strict clients refuse two of them. */
const OF_THE_HOP_FRAMING_AND_HOST = OF_THE_HOP_AND_FRAMING | kindSetOf(FIELD.host);

/**
 * The head that goes to the client; always HTTP/1.1, whatever the server's version (RFC 9110 §2.5), and without framing
 * if its status has none.
 */
export function formatResponseHead(head: ResponseHead, edits: ResponseEdits): string {
  const { fields } = head;
  return fields.kind === "text" ? copyResponseHead(head, fields, edits) : buildResponseHead(head, fields, edits);
}

function copyResponseHead(head: ResponseHead, fields: TextFields, edits: ResponseEdits): string {
  const { status, version } = head;
  const { text, fieldsAt } = fields;
  const startLine =
    version === "1.0"
      ? `HTTP/1.1 ${status} ${text.slice(REASON_AT, Math.max(REASON_AT, fieldsAt - 2))}\r\n`
      : undefined;
  const added = connectionLines(head, edits);
  const dropped = droppedKinds(head, edits);
  return copyHead(fields, { startLine, added, headers: edits.headers, dropped, hop: undefined });
}

/** After `HTTP/1.1 200 `. */
const REASON_AT = 13;

function droppedKinds({ status }: ResponseHead, { coding }: ResponseEdits): KindSet {
  if (responseContent(status) === "forbidden") return OF_THE_HOP_AND_FRAMING;
  return coding === "content" ? OF_THE_HOP_AND_CHUNKS : OF_THE_HOP;
}

function connectionLines({ status, upgrade }: ResponseHead, { close, keepsAlive }: ResponseEdits): string {
  if (status === 101) return `connection: upgrade\r\nupgrade: ${upgrade ?? ""}\r\n`;
  if (close) return "connection: close\r\n";
  return keepsAlive === true ? "connection: keep-alive\r\n" : "";
}

/** One framing, of ours. A response without content has a length of 0, or a client would wait for the connection's end. */
function buildResponseHead(head: ResponseHead, fields: FieldList, edits: ResponseEdits): string {
  const { status } = head;
  if (!Number.isInteger(status) || status < 100 || status > 999 || status === 101) throw new UnsoundHead("a status");
  const startLine = `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ""}\r\n`;
  const added = `${framingLine(head, fields, edits)}${connectionLines(head, edits)}`;
  return buildHead(fields, {
    startLine,
    added,
    headers: edits.headers,
    dropped: OF_THE_HOP_FRAMING_AND_HOST,
    hop: undefined,
  });
}

function framingLine({ status, content }: ResponseHead, fields: FieldList, edits: ResponseEdits): string {
  const allowed = responseContent(status);
  if (allowed === "forbidden") return "";
  if (content.kind === "length") return `content-length: ${content.length}\r\n`;
  if (content.kind === "unknown") return edits.coding === "chunks" ? "transfer-encoding: chunked\r\n" : "";
  if (edits.isHead !== true && allowed !== "omitted") return "content-length: 0\r\n";
  const described = fields.get("content-length");
  if (described === undefined) return "";
  if (!/^\d{1,16}$/.test(described)) throw new UnsoundHead("a content-length");
  return `content-length: ${described}\r\n`;
}
