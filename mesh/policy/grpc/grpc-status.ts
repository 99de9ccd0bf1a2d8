/** gRPC statuses, and the statuses and error codes of HTTP that they correspond to. */
import { GRPC_STATUS, type GrpcStatus, isGrpcStatus } from "../../resources/fields/grpc-status-names.ts";

/**
 * The value of a field `grpc-status`. One that is not a known status counts as UNKNOWN, as gRPC's clients treat it (Envoy
 * reports -1): the value of a label must not be an upstream's choice. Absent or empty: `undefined`.
 */
export function parseGrpcStatus(text: string | undefined): GrpcStatus | undefined {
  if (text === undefined || text === "") return undefined;
  const code = /^\d{1,3}$/.test(text) ? Number(text) : -1;
  return isGrpcStatus(code) ? code : GRPC_STATUS.UNKNOWN;
}

/** Where a response's status may be. */
export interface GrpcResponse {
  /** `grpc-status` in the trailers. */
  readonly inTrailers: string | undefined;
  /** `grpc-status` in the head: of a response without a body ("trailers-only"), or of a local reply. */
  readonly inHead: string | undefined;
  /** 0: no response. */
  readonly httpStatus: number;
}

/**
 * The status of a gRPC response, in Envoy's order: trailers, head, else the HTTP status. `undefined`: there was no
 * response.
 */
export function decideGrpcStatus({ inTrailers, inHead, httpStatus }: GrpcResponse): GrpcStatus | undefined {
  const sent = parseGrpcStatus(inTrailers) ?? parseGrpcStatus(inHead);
  return sent ?? (httpStatus === 0 ? undefined : grpcStatusFromHttp(httpStatus));
}

/** The status that a client infers from a response without `grpc-status`, as gRPC prescribes. */
export function grpcStatusFromHttp(status: number): GrpcStatus {
  switch (status) {
    case 400:
      return GRPC_STATUS.INTERNAL;
    case 401:
      return GRPC_STATUS.UNAUTHENTICATED;
    case 403:
      return GRPC_STATUS.PERMISSION_DENIED;
    case 404:
      return GRPC_STATUS.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC_STATUS.UNAVAILABLE;
    default:
      return GRPC_STATUS.UNKNOWN;
  }
}

/** By status. As Envoy and Google APIs map them; 499 is nginx's "client closed request". */
const HTTP_STATUSES: Readonly<Record<GrpcStatus, number>> = {
  0: 200,
  1: 499,
  2: 500,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
};

/** The HTTP status of a local reply with a gRPC status to a client that does not speak gRPC. */
export function httpStatusFromGrpc(status: GrpcStatus): number {
  return HTTP_STATUSES[status];
}

/** Codes of RST_STREAM with a status of their own (RFC 9113 §7). */
const REFUSED_STREAM = 0x7;
const CANCEL = 0x8;
const ENHANCE_YOUR_CALM = 0xb;
const INADEQUATE_SECURITY = 0xc;

/** The status of a call whose stream was reset with an HTTP/2 error code (gRPC over HTTP2, "Errors"). */
export function grpcStatusFromReset(code: number): GrpcStatus {
  switch (code) {
    case REFUSED_STREAM:
      return GRPC_STATUS.UNAVAILABLE;
    case CANCEL:
      return GRPC_STATUS.CANCELLED;
    case ENHANCE_YOUR_CALM:
      return GRPC_STATUS.RESOURCE_EXHAUSTED;
    case INADEQUATE_SECURITY:
      return GRPC_STATUS.PERMISSION_DENIED;
    default:
      return GRPC_STATUS.INTERNAL;
  }
}
