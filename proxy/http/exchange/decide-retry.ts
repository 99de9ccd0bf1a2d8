import type { Random } from "../../../mesh/runtime.ts";

/** When a route says that a failed request is sent again (`VirtualService.http[].retries`). */
export interface RetryPolicy {
  /** Besides the first. */
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  /** `connect-failure`: no connection could be made. */
  readonly onConnectFailure: boolean;
  /** `reset`: the connection ended before an answer, or the try timed out. */
  readonly onReset: boolean;
  /** Whether an answer with this status is thrown away for another try. */
  readonly onStatus: (status: number) => boolean;
}

/** How a try failed. */
export type AttemptFailure =
  | { readonly kind: "connect" }
  /** The connection ended before any byte of an answer. */
  | { readonly kind: "reset"; readonly wasReused: boolean }
  | { readonly kind: "per_try_timeout" }
  | { readonly kind: "status"; readonly status: number };

export interface RetryInput {
  readonly failure: AttemptFailure;
  readonly policy: RetryPolicy | undefined;
  /** Tries so far, the failed one among them. */
  readonly attempt: number;
  /** Whether all of the request that was sent is still at hand. */
  readonly isReplayable: boolean;
  readonly method: string;
  readonly hasBody: boolean;
}

/** RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/**
 * Whether to try again. Without a rule only once, and only where nothing can have happened twice: a kept connection
 * that died before the answer, under an idempotent request without a body (RFC 9110 §9.2.2, RFC 9112 §9.3.1). A
 * rule is the user's word that repeating is safe.
 */
export function decideRetry({ failure, policy, attempt, isReplayable, method, hasBody }: RetryInput): boolean {
  if (!isReplayable) return false;
  const isSilentRetry =
    failure.kind === "reset" && failure.wasReused && attempt === 1 && !hasBody && IDEMPOTENT.has(method);
  if (isSilentRetry) return true;
  if (policy === undefined || attempt > policy.attempts) return false;
  switch (failure.kind) {
    case "connect":
      return policy.onConnectFailure;
    case "reset":
    case "per_try_timeout":
      return policy.onReset;
    case "status":
      return policy.onStatus(failure.status);
  }
}

/** Whether a rule would have sent the request again, but for the number of attempt: Envoy's `URX`. */
export function isRetryLimitExceeded(input: RetryInput): boolean {
  const { policy, attempt } = input;
  if (policy === undefined || policy.attempts === 0 || attempt <= policy.attempts) return false;
  return decideRetry({ ...input, policy: { ...policy, attempts: attempt } });
}

/** Envoy's default for `retries`: 25 ms, doubled with each try, at most ten times as much. */
const RETRY_PAUSE_MS = 25;
const MAX_RETRY_PAUSE_MS = 250;

/**
 * How long to wait before the next try: anything up to the bound for so many attempt (full jitter, as in Envoy), so that
 * clients which failed together do not come back together. @param attempt so far, at least 1.
 */
export function retryPauseMs(attempt: number, random: Random): number {
  return random() * Math.min(RETRY_PAUSE_MS * 2 ** (attempt - 1), MAX_RETRY_PAUSE_MS);
}
