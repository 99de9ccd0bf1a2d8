import { type RequestEdits, writeProxyFields } from "../../messages/edits/head-edits.ts";
import { FIELD, kindSetOf } from "../../messages/field-kinds.ts";
import type { FieldList } from "../../messages/field-list.ts";
import { isMistakableMethod, isRequestPath, isToken } from "../../messages/grammar.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { plainAuthority } from "../../messages/plain-authority.ts";
import type { TextFields } from "../../messages/text-fields.ts";
import { UnsoundHead } from "../../messages/unsound-head.ts";
import { buildHead } from "./build-head.ts";
import { copyHead } from "./copy-head.ts";
import { FRAMING, LineWriter, OF_THE_HOP } from "./format-lines.ts";

const HOST = kindSetOf(FIELD.host);
const OF_THE_HOP_AND_HOST = OF_THE_HOP | HOST;
const OF_THE_HOP_HOST_AND_FRAMING = OF_THE_HOP_AND_HOST | FRAMING;

/**
 * The head that goes upstream: without hop-by-hop fields (RFC 9110 §7.6.1) and without fields that only a proxy may set
 * (`hop-headers.ts`), with this proxy's fields at the end. Of an HTTP/1.x request, otherwise the bytes that came.
 */
export function formatRequestHead(head: RequestHead, edits: RequestEdits): string {
  const { fields } = head;
  return fields.kind === "text" ? copyRequestHead(head, fields, edits) : buildRequestHead(head, fields, edits);
}

/** The path is the one that was judged: of an absolute target (RFC 9112 §3.2.2), and normalised. */
function copyRequestHead(head: RequestHead, fields: TextFields, edits: RequestEdits): string {
  const { method, upgrade, version } = head;
  const { hop, headers, authority } = edits;
  const writer = new LineWriter(upgrade === undefined ? "" : `connection: upgrade\r\nupgrade: ${upgrade}\r\n`);
  writeProxyFields(writer, head, edits);
  if (authority !== undefined) writer.field("host", authority);
  const { path = head.path } = edits;
  const pathAt = method.length + 1;
  const isAsItCame = fields.text.startsWith(path, pathAt) && fields.text.charCodeAt(pathAt + path.length) === SPACE;
  const startLine = isAsItCame ? undefined : `${method} ${path} HTTP/${version}\r\n`;
  const dropped = authority === undefined ? OF_THE_HOP : OF_THE_HOP_AND_HOST;
  return copyHead(fields, { startLine, added: writer.lines, headers, dropped, hop });
}

const SPACE = 0x20;

/** One framing, of ours: the content's length if it is known, else chunks. */
function buildRequestHead(head: RequestHead, fields: FieldList, edits: RequestEdits): string {
  const { method, content } = head;
  const path = edits.path ?? head.path;
  const authority = edits.authority ?? head.authority;
  if (!isToken(method) || isMistakableMethod(method)) throw new UnsoundHead("a method");
  if (!isRequestPath(path, method)) throw new UnsoundHead("a path");
  if (authority === "" || plainAuthority(authority) !== authority) throw new UnsoundHead("an authority");
  let added = "";
  if (content.kind === "unknown") added += "transfer-encoding: chunked\r\n";
  else if (content.kind === "length") added += `content-length: ${content.length}\r\n`;
  else if (fields.get("content-length") !== undefined) added += "content-length: 0\r\n";
  // A hop-by-hop field, which therefore Connection names (RFC 9110 §10.1.4).
  if (fields.get("te") === "trailers") added += "te: trailers\r\nconnection: te\r\n";
  const writer = new LineWriter(added);
  writeProxyFields(writer, head, edits);
  const { hop, headers } = edits;
  const startLine = `${method} ${path} HTTP/1.1\r\nhost: ${authority}\r\n`;
  return buildHead(fields, {
    startLine,
    added: writer.lines,
    headers,
    dropped: OF_THE_HOP_HOST_AND_FRAMING,
    hop,
  });
}
