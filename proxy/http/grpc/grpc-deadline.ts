import { formatGrpcTimeout, parseGrpcTimeout } from "../../../mesh/policy/grpc/grpc-timeout.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";

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
 * A route's operations with a `grpc-timeout` of the time that is left, as Envoy writes it for each attempt: the server
 * then gives up when its client does. A route that sets or removes the field itself is obeyed. @param leftMs at least 1
 */
export function withGrpcTimeout(headers: FoldedHeaders = NO_OPERATIONS, leftMs: number): FoldedHeaders {
  const { removed, added } = headers;
  if (removed.has(GRPC_TIMEOUT)) return headers;
  const field = { name: GRPC_TIMEOUT, value: formatGrpcTimeout(leftMs) };
  return { removed: new Set([...removed, GRPC_TIMEOUT]), added: [...added, field] };
}

const NO_OPERATIONS: FoldedHeaders = { removed: new Set(), added: [] };
