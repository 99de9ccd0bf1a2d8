/** Which failed attempts are retried: Envoy's conditions, as in `retries.retryOn`. */
import { GRPC_STATUS, type GrpcStatus } from "../../resources/fields/grpc-status-names.ts";
import { isRetryStatus, splitRetryOn } from "../../resources/fields/retry-words.ts";
import type { RetryCondition, RetryOn } from "./http-route.ts";

const CONDITIONS: readonly RetryCondition[] = [
  "connect-failure",
  "refused-stream",
  "reset",
  "reset-before-request",
  "gateway-error",
  "5xx",
  "retriable-4xx",
];

/** The conditions of calls of gRPC: the status of a response that has no body. */
const GRPC_CONDITIONS: ReadonlyMap<string, GrpcStatus> = new Map([
  ["cancelled", GRPC_STATUS.CANCELLED],
  ["deadline-exceeded", GRPC_STATUS.DEADLINE_EXCEEDED],
  ["internal", GRPC_STATUS.INTERNAL],
  ["resource-exhausted", GRPC_STATUS.RESOURCE_EXHAUSTED],
  ["unavailable", GRPC_STATUS.UNAVAILABLE],
]);

/** Istio's default. */
export const DEFAULT_RETRY_ON: RetryOn = {
  conditions: ["connect-failure", "refused-stream"],
  statuses: [],
  grpcStatuses: [GRPC_STATUS.UNAVAILABLE, GRPC_STATUS.CANCELLED],
};

export interface ParsedRetryOn {
  readonly retryOn: RetryOn;
  /** Words without effect; the others apply. */
  readonly unsupported: readonly string[];
}

/** Parses a list such as `connect-failure,unavailable,503`. Empty means Istio's default. */
export function parseRetryOn(text: string): ParsedRetryOn {
  const words = splitRetryOn(text);
  if (words.length === 0) return { retryOn: DEFAULT_RETRY_ON, unsupported: [] };
  const grpcStatuses = words.flatMap((word) => GRPC_CONDITIONS.get(word) ?? []);
  const isSupported = (word: string): boolean =>
    isRetryStatus(word) || isRetryCondition(word) || GRPC_CONDITIONS.has(word) || word === STATUS_CODES;
  return {
    retryOn: {
      conditions: words.filter(isRetryCondition),
      statuses: words.filter(isRetryStatus).map(Number),
      ...(grpcStatuses.length === 0 ? {} : { grpcStatuses }),
    },
    unsupported: words.filter((word) => !isSupported(word)),
  };
}

/** Enables the status codes in the list; here they always apply. */
const STATUS_CODES = "retriable-status-codes";

export function isRetryCondition(word: string): word is RetryCondition {
  return CONDITIONS.some((condition) => condition === word);
}

/** No connection could be established: nothing was sent. */
export function retriesConnectFailure({ conditions }: RetryOn): boolean {
  return hasAny(conditions, ["connect-failure", "reset", "reset-before-request", "gateway-error", "5xx"]);
}

/** The connection ended, or the attempt timed out, before the response head. */
export function retriesReset({ conditions }: RetryOn): boolean {
  return hasAny(conditions, ["reset", "gateway-error", "5xx"]);
}

/** The connection ended before any byte of the request was sent on it. */
export function retriesResetBeforeRequest({ conditions }: RetryOn): boolean {
  return hasAny(conditions, ["reset-before-request", "reset", "gateway-error", "5xx"]);
}

/** The server reset the stream unprocessed (REFUSED_STREAM, or above the last stream of a GOAWAY; RFC 9113 §8.7). */
export function retriesRefusedStream({ conditions }: RetryOn): boolean {
  return hasAny(conditions, ["refused-stream", "reset", "gateway-error", "5xx"]);
}

/**
 * A response to a call of gRPC that consists of its head alone, with this status, is discarded and the call retried. A
 * status in trailers comes too late, as in Envoy: the head has been passed on.
 */
export function retriesGrpcStatus({ grpcStatuses = [] }: RetryOn, status: GrpcStatus): boolean {
  return grpcStatuses.includes(status);
}

/** A response with this status is discarded and the request retried. */
export function retriesStatus({ conditions, statuses }: RetryOn, status: number): boolean {
  return (
    statuses.includes(status) ||
    (status >= 500 && status <= 599 && conditions.includes("5xx")) ||
    (status >= 502 && status <= 504 && conditions.includes("gateway-error")) ||
    (status === 409 && conditions.includes("retriable-4xx"))
  );
}

function hasAny(conditions: readonly RetryCondition[], wanted: readonly RetryCondition[]): boolean {
  return wanted.some((condition) => conditions.includes(condition));
}
