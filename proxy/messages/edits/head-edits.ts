import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import type { FieldWriter } from "../field-access.ts";
import type { KindSet } from "../field-kinds.ts";
import type { Fields } from "../fields.ts";
import type { RequestHead } from "../message-head.ts";
import { forwardedProto, type Hop, isReplaced } from "./hop-headers.ts";

/** The proxy's changes to a request. */
export interface RequestEdits {
  /** Where the request enters: determines which hop headers are kept. */
  readonly hop: Exclude<Hop, "gateway">;
  /** The verified peer, if there is one; the client's own field is dropped in any case. */
  readonly forwardedClientCert: string | undefined;
  /** Creates the `x-request-id` of a request that has none. */
  readonly createRequestId: () => string;
  /** The path and authority that a route rewrites; `undefined`: unchanged. */
  readonly path?: string | undefined;
  readonly authority?: string | undefined;
  /** The route's operations. */
  readonly headers?: FoldedHeaders | undefined;
  /** Names that trailers may not contain, as returned by `foldHeaderName`. @default those that `headers` removes */
  readonly removedTrailers?: ReadonlySet<string> | undefined;
}

/** Which of a message's fields are not forwarded. */
export interface FieldRules {
  /** By kind: what the codec that writes the head creates itself, or its version does not have. */
  readonly dropped: KindSet;
  /** The route's operations. */
  readonly headers: FoldedHeaders | undefined;
  /** Of a request. */
  readonly hop: Hop | undefined;
}

/** Whether a field is not forwarded. */
export function isDropped(fields: Fields, index: number, rules: FieldRules): boolean {
  return (rules.dropped & (1 << fields.kindAt(index))) !== 0 || isDroppedByName(fields, index, rules);
}

/** The same, for one whose kind is kept. A name is read only if it may matter. */
export function isDroppedByName(fields: Fields, index: number, { headers, hop }: FieldRules): boolean {
  const isOfHops = hop !== undefined && mayBeOfHops(fields, index);
  if (!isOfHops && fields.hopNames.length === 0 && headers === undefined) return false;
  const name = fields.nameAt(index);
  if (fields.hopNames.includes(name)) return true;
  const folded = foldHeaderName(name);
  return headers?.removed.has(folded) === true || (isOfHops && isReplaced(folded, hop));
}

const LOWER_X = 0x78;
const LOWER_E = 0x65;

/**
 * A quick check of two letters: all fields that a sidecar replaces and that have no kind of their own are `x-envoy-`.
 */
function mayBeOfHops(fields: Fields, index: number): boolean {
  return fields.nameCodeAt(index, 0) === LOWER_X && fields.nameCodeAt(index, 2) === LOWER_E;
}

const CLIENT_CERT = "x-forwarded-client-cert";
const REQUEST_ID = "x-request-id";
const PROTO = "x-forwarded-proto";

/** Writes the fields that this proxy adds to a request; those of its route follow (`edits.headers.added`). */
export function writeProxyFields(writer: FieldWriter, { fields }: RequestHead, edits: RequestEdits): void {
  const { forwardedClientCert, hop, headers } = edits;
  if (forwardedClientCert !== undefined) writer.field(CLIENT_CERT, forwardedClientCert);
  if (isMissing(fields, REQUEST_ID, headers)) writer.field(REQUEST_ID, edits.createRequestId());
  if (isMissing(fields, PROTO, headers)) writer.field(PROTO, forwardedProto(hop));
}

/** A route's operations apply after the proxy's own fields: what one removes or sets is not added first. */
function isMissing(fields: Fields, name: string, headers: FoldedHeaders | undefined): boolean {
  if (headers?.removed.has(name) === true) return false;
  // A client cannot remove it by naming it in Connection.
  return fields.hopNames.includes(name) || !fields.hasFolded(name);
}
