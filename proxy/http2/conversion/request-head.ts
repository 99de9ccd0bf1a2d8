import { FieldList } from "../../messages/field-list.ts";
import { isMistakableMethod } from "../../messages/grammar.ts";
import type { Content, RequestHead } from "../../messages/message-head.ts";
import type { Http2RequestHead } from "../message-head.ts";

/** A well-formed request that the proxy does not forward, because a server could read it as another one. */
export interface RefusedHead {
  readonly kind: "refused";
  /** Stable: a metric label. The codes of HTTP/1.1 for the same. */
  readonly code: "connect_refused" | "bad_method";
  /** Of the local reply. */
  readonly status: 405 | 501;
  readonly message: string;
}

export type ConvertedHead = { readonly kind: "head"; readonly head: RequestHead } | RefusedHead;

const CONNECT: RefusedHead = {
  kind: "refused",
  code: "connect_refused",
  status: 405,
  message: "CONNECT is not supported",
};
const MISTAKABLE: RefusedHead = {
  kind: "refused",
  code: "bad_method",
  status: 501,
  message: "a method that some servers read as another one, or as HTTP/2: write it in capitals",
};
/**
 * A checked request of HTTP/2 as a request of any version. Refuses what the HTTP/1.1 framer refuses too: a server behind
 * the proxy may speak HTTP/1.1, or hand the fields to a program by CGI. @param endsStream the head is the whole request.
 */
export function requestHeadFrom(received: Http2RequestHead, endsStream: boolean): ConvertedHead {
  const { method, scheme, authority, path, expectsContinue } = received;
  if (method === "CONNECT") return CONNECT;
  if (isMistakableMethod(method)) return MISTAKABLE;
  const head: RequestHead = {
    version: "2",
    method,
    scheme: scheme === "https" ? "https" : "http",
    authority,
    path,
    fields: new FieldList(received),
    content: contentFrom(received.contentLength, endsStream),
    upgrade: undefined,
    expectsContinue,
    bytes: sizeOf(received),
  };
  return { kind: "head", head };
}

const NO_CONTENT: Content = { kind: "none" };
const UNTIL_END: Content = { kind: "unknown", endsBy: "frames" };

function contentFrom(contentLength: number | undefined, endsStream: boolean): Content {
  if (endsStream) return NO_CONTENT;
  return contentLength === undefined ? UNTIL_END : { kind: "length", length: contentLength };
}

/** Without compression, each field counted with two bytes for its ends. */
function sizeOf({ method, path, authority, names, values }: Http2RequestHead): number {
  let bytes = method.length + path.length + authority.length + 2 * names.length;
  for (const name of names) bytes += name.length;
  for (const value of values) bytes += value.length;
  return bytes;
}
