import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import { FRAMING, OF_THE_HOP } from "../../http1/writing/format-lines.ts";
import { isReplaced } from "../../messages/edits/hop-headers.ts";
import { FIELD, fieldKindAt, type KindSet, kindSetOf } from "../../messages/field-kinds.ts";
import { type AcceptedRequest, connectionOptions, type HeaderField } from "../requests/accepted-request.ts";
import type { ClientFacts } from "../requests/client-facts.ts";

export type UpstreamHeaders = Record<string, string | string[]>;

/** What a request's head is written without: its hop's fields, and those that the gateway writes itself. */
const NOT_FORWARDED: KindSet = OF_THE_HOP | FRAMING | kindSetOf(FIELD.host, FIELD.trailer);

/** Node frames the response for the client; the length stays. */
const NOT_ANSWERED: KindSet = OF_THE_HOP | kindSetOf(FIELD.transferEncoding, FIELD.trailer);

/**
 * The head for the upstream, generated anew: only validated fields, with framing as it was parsed. Fields are matched
 * by their folded names (`foldHeaderName`).
 */
export function createUpstreamHeaders(request: AcceptedRequest, written: ClientFacts["written"]): UpstreamHeaders {
  const hopByHop = new Set(connectionOptions(request.headers));
  const forwarded = request.headers.filter(([name, value]) => {
    const folded = foldHeaderName(name);
    // The gateway itself has fulfilled it; any other expectation is left to the upstream.
    if (folded === "expect" && isContinue(value)) return false;
    // Credentials for this hop (RFC 9110, section 11.7.1).
    if (folded === "proxy-authorization") return false;
    return !isOf(NOT_FORWARDED, folded) && !isReplaced(folded, "gateway") && !hopByHop.has(name);
  });
  return {
    host: request.host,
    ...groupValues(forwarded),
    ...framingHeaders(request),
    ...(request.upgrade === undefined ? {} : { connection: "Upgrade", upgrade: "websocket" }),
    ...written,
  };
}

/** Whether an Expect field only asks for 100 Continue (RFC 9110, section 10.1.1). */
function isContinue(expect: string | undefined): boolean {
  return expect?.toLowerCase() === "100-continue";
}

/** Applies a route's operations to a head. They cannot name framing, Host or hop-by-hop fields (`header-rules.ts`). */
export function editHeaders(headers: UpstreamHeaders, { removed, added }: FoldedHeaders): UpstreamHeaders {
  if (removed.size === 0 && added.length === 0) return headers;
  const edited = Object.fromEntries(Object.entries(headers).filter(([name]) => !removed.has(foldHeaderName(name))));
  for (const { name, value } of added) {
    const before = Object.hasOwn(edited, name) ? edited[name] : undefined;
    edited[name] = before === undefined ? value : [before, value].flat();
  }
  return edited;
}

/** Removes the upstream's hop-by-hop fields. */
export function isForwardedToClient(name: string, connection: string | undefined): boolean {
  return !isOf(NOT_ANSWERED, name) && !connectionOptions([["connection", connection ?? ""]]).includes(name);
}

function isOf(kinds: KindSet, name: string): boolean {
  return (kinds & (1 << fieldKindAt(name, 0, name.length))) !== 0;
}

function framingHeaders({ content }: AcceptedRequest): UpstreamHeaders {
  switch (content.kind) {
    case "none":
      return {};
    case "length":
      return { "content-length": String(content.length) };
    case "unknown":
      return { "transfer-encoding": "chunked" };
  }
}

function groupValues(headers: readonly HeaderField[]): UpstreamHeaders {
  const names = [...new Set(headers.map(([name]) => name))];
  return Object.fromEntries(
    names.map((name) => {
      const values = valuesOf(headers, name);
      return [name, values.length === 1 ? (values[0] ?? "") : [...values]];
    }),
  );
}

function valuesOf(headers: readonly HeaderField[], name: string): readonly string[] {
  return headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
}
