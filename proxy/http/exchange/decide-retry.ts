import type { Random } from "../../../mesh/runtime.ts";
import { MAX_ENDPOINTS_TRIED } from "../http-limits.ts";
import type { AttemptFailure } from "./attempt-failure.ts";
import type { RetryPolicy } from "./retry-policy.ts";

export interface RetryInput {
  readonly failure: AttemptFailure;
  readonly policy: RetryPolicy | undefined;
  /** Attempts so far, including the failed one. */
  readonly attempt: number;
  /** Whether everything that was sent of the request is still buffered. */
  readonly isReplayable: boolean;
  readonly method: string;
  readonly hasBody: boolean;
}

/** RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/**
 * Whether to retry. Without a policy only if a repetition is harmless:
 * - No application has received the request: up to twice.
 * - All endpoints refused the connection: twice, as by Istio's default. The pods that have ended may be replaced in the
 *   next update of the endpoints.
 * - A server refused it unprocessed: once, as gRPC's clients do. More would burden a server that has too many streams.
 * - It is idempotent, has no body, and got no response because a reused connection or an application ended (RFC 9110
 *   §9.2.2, RFC 9112 §9.3.1): once.
 *
 * With a policy the user declares that retries are safe.
 */
export function decideRetry({ failure, policy, attempt, isReplayable, method, hasBody }: RetryInput): boolean {
  if (!isReplayable) return false;
  if (failure.kind === "undelivered") return attempt < MAX_ENDPOINTS_TRIED;
  if (failure.kind === "refused" && attempt === 1) return true;
  const hasEnded = failure.kind === "interrupted" || (failure.kind === "reset" && failure.wasReused);
  if (hasEnded && attempt === 1 && !hasBody && IDEMPOTENT.has(method)) return true;
  if (policy === undefined) return failure.kind === "connect" && failure.isRefused && attempt < MAX_ENDPOINTS_TRIED;
  if (attempt > policy.attempts) return false;
  switch (failure.kind) {
    case "interrupted":
      return policy.onReset;
    case "connect":
      return policy.onConnectFailure;
    case "reset":
    case "per_try_timeout":
      return policy.onReset;
    case "refused":
      return policy.onRefusedStream;
    case "status":
      return policy.onStatus(failure.status);
    case "grpc_status":
      return policy.onGrpcStatus(failure.status);
  }
}

/** Whether the policy would have retried, but for the number of attempts: Envoy's `URX`. */
export function isRetryLimitExceeded(input: RetryInput): boolean {
  const { policy, attempt } = input;
  if (policy === undefined || policy.attempts === 0 || attempt <= policy.attempts) return false;
  return decideRetry({ ...input, policy: { ...policy, attempts: attempt } });
}

/**
 * Whether the next attempt goes to another connection or endpoint that is not known to have a problem. A first refusal
 * says nothing against another connection; after a second one the servers have too many streams.
 * @param attempt attempts so far.
 */
export function isElsewhere(failure: AttemptFailure, attempt: number): boolean {
  if (failure.kind === "reset") return failure.wasReused;
  if (failure.kind === "refused") return attempt === 1;
  return failure.kind === "undelivered" || failure.kind === "interrupted";
}

/** Envoy's default backoff: 25 ms, doubled with each attempt, at most ten times as much. */
const RETRY_PAUSE_MS = 25;
const MAX_RETRY_PAUSE_MS = 250;

/**
 * How long to wait before the next attempt: a random time up to the bound for this number of attempts (full jitter, as in
 * Envoy), so that clients that failed together do not retry together. @param attempt attempts so far, at least 1.
 */
export function retryPauseMs(attempt: number, random: Random): number {
  return random() * Math.min(RETRY_PAUSE_MS * 2 ** (attempt - 1), MAX_RETRY_PAUSE_MS);
}
