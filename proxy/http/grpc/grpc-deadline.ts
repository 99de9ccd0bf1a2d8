import { formatGrpcTimeout, parseGrpcTimeout } from "../../../mesh/policy/grpc/grpc-timeout.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";

const GRPC_TIMEOUT = "grpc-timeout";

/**
 * How long a call may last, in milliseconds: the client's `grpc-timeout`, at most the route's timeout, as under Istio
 * (Envoy's `max_grpc_timeout`). `undefined`: no limit. A malformed field is none.
 */
export function limitOfCall(field: string | undefined, routeMs: number | undefined): number | undefined {
  const ownMs = field === undefined ? undefined : parseGrpcTimeout(field);
  return ownMs === undefined || routeMs === undefined ? (ownMs ?? routeMs) : Math.min(ownMs, routeMs);
}

/**
 * The edits with a `grpc-timeout` of the time that is left, as Envoy writes it for each attempt: the server then gives
 * up when its client does. A route that sets or removes the field itself is obeyed. @param leftMs at least 1
 */
export function withGrpcTimeout(edits: RequestEdits, leftMs: number): RequestEdits {
  const { removed = NO_NAMES, added = NO_FIELDS } = edits.headers ?? {};
  if (removed.has(GRPC_TIMEOUT)) return edits;
  const field = { name: GRPC_TIMEOUT, value: formatGrpcTimeout(leftMs) };
  return { ...edits, headers: { removed: new Set([...removed, GRPC_TIMEOUT]), added: [...added, field] } };
}

const NO_NAMES: ReadonlySet<string> = new Set();
const NO_FIELDS: NonNullable<RequestEdits["headers"]>["added"] = [];
