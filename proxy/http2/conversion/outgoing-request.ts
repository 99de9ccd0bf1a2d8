import { type FieldRules, type RequestEdits, writeProxyFields } from "../../messages/edits/head-edits.ts";
import type { Fields } from "../../messages/fields.ts";
import { isMistakableMethod, isRequestPath, isToken } from "../../messages/grammar.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { plainAuthority } from "../../messages/plain-authority.ts";
import { UnsoundHead } from "../../messages/unsound-head.ts";
import type { FieldWriter } from "../connection/header-block-writer.ts";
import type { OutgoingRequest } from "../connection/http2-client-connection.ts";
import { NOT_IN_HTTP2, writeAdded, writeKept } from "./write-fields.ts";

/**
 * A request of any version as it goes upstream over HTTP/2: without fields of an HTTP/1.1 connection and those that
 * `Connection` names (RFC 9113 §8.2.2), without fields that only a proxy may set, with this proxy's fields at the end.
 * Content needs no framing of its own; a declared length stays.
 * @throws UnsoundHead before anything is written.
 */
export function outgoingRequest(head: RequestHead, edits: RequestEdits): OutgoingRequest {
  const { method, scheme, fields } = head;
  const path = edits.path ?? head.path;
  const authority = edits.authority ?? head.authority;
  if (!isToken(method) || isMistakableMethod(method)) throw new UnsoundHead("a method");
  if (!isRequestPath(path, method)) throw new UnsoundHead("a path");
  if (authority === "" || plainAuthority(authority) !== authority) throw new UnsoundHead("an authority");
  const { hop, headers } = edits;
  const rules: FieldRules = { dropped: NOT_IN_HTTP2, headers, hop };
  return {
    method,
    scheme,
    authority,
    path,
    fields: {
      writeTo: (writer) => {
        writeKept(writer, fields, rules);
        writeTe(writer, fields);
        writeProxyFields(writer, head, edits);
        if (headers !== undefined) writeAdded(writer, headers.added);
      },
    },
  };
}

/** The one value of `te` that HTTP/2 has. Servers of gRPC refuse a request without it. */
function writeTe(writer: FieldWriter, fields: Fields): void {
  const te = fields.get("te");
  if (te !== undefined && /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(te)) writer.field("te", "trailers");
}
