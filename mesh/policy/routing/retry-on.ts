/** Which failed attempts are retried: Envoy's conditions, as in `retries.retryOn`. */
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

/** Istio's default, without the gRPC-only conditions. */
export const DEFAULT_RETRY_ON: RetryOn = { conditions: ["connect-failure", "refused-stream"], statuses: [] };

export interface ParsedRetryOn {
  readonly retryOn: RetryOn;
  /** Unsupported words; the others apply. */
  readonly unknown: readonly string[];
}

/** Parses a list such as `connect-failure,503`. Empty means Istio's default. */
export function parseRetryOn(text: string): ParsedRetryOn {
  const words = text
    .split(",")
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== "");
  if (words.length === 0) return { retryOn: DEFAULT_RETRY_ON, unknown: [] };
  const statuses = words.filter(isStatus).map(Number);
  const isKnown = (word: string): boolean => isStatus(word) || isRetryCondition(word) || word === STATUS_CODES;
  return {
    retryOn: { conditions: words.filter(isRetryCondition), statuses },
    unknown: words.filter((word) => !isKnown(word)),
  };
}

/** Enables the status codes in the list; here they always apply. */
const STATUS_CODES = "retriable-status-codes";

export function isRetryCondition(word: string): word is RetryCondition {
  return CONDITIONS.some((condition) => condition === word);
}

function isStatus(word: string): boolean {
  return /^[1-5]\d\d$/.test(word);
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
