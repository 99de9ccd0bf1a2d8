import type { RouteRetries } from "../../../mesh/policy/routing/http-route.ts";
import { retriesConnectFailure, retriesReset, retriesStatus } from "../../../mesh/policy/routing/retry-on.ts";
import { UpstreamError } from "../../connections/upstream-dialer.ts";
import type { AcceptedRequest } from "../requests/accepted-request.ts";

/** How an attempt ended. */
export type AttemptResult =
  | { readonly kind: "error"; readonly error: Error; readonly wasReused: boolean }
  | { readonly kind: "status"; readonly status: number };

export interface GatewayRetryInput {
  readonly end: AttemptResult;
  readonly accepted: Pick<AcceptedRequest, "content" | "method">;
  readonly retries: RouteRetries | undefined;
  /** Retries that the route's policy has granted so far. */
  readonly granted: number;
  /** How often the request was resent without a policy. */
  readonly renewals: number;
  /** Whether its body, if it has one, is kept as a whole. */
  readonly isReplayable: boolean;
}

/** `renew`: allowed without a policy, and none of the route's retries is used up. */
export type GatewayRetry = "none" | "renew" | "retry";

/** Idempotent (RFC 9110, section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** The dialler's reasons that a retry cannot change: nothing was attempted. */
const FINAL: ReadonlySet<string> = new Set([
  "no_healthy_endpoint",
  "refused_destination",
  "control_plane_away",
  "no_svid",
  "upstream_timeout",
]);

/** Reasons that come from an established connection. */
const AFTER_SENDING: ReadonlySet<string> = new Set([
  "interrupted",
  "upstream_revoked",
  "try_timeout",
  "upstream_malformed",
  "upstream_head_too_large",
  "upstream_too_many_fields",
]);

/** Resends of a request that no application has received. */
const MAX_RENEWALS = 2;

/**
 * Whether a request is retried. A request with a body is retried only if no application has received it. Any other must
 * be idempotent, or no connection was established. Without a policy: once, if a reused connection was closed just as it
 * was used, or if the application ended before its response.
 */
export function decideGatewayRetry(input: GatewayRetryInput): GatewayRetry {
  const { end, accepted, retries, granted, renewals } = input;
  const code = codeOf(end);
  if (code === "undelivered" && input.isReplayable && renewals < MAX_RENEWALS) return "renew";
  if (accepted.content.kind !== "none") return "none";
  const isIdempotent = IDEMPOTENT.has(accepted.method);
  const isLost = code === undefined || code === "upstream_revoked";
  const hasEnded = code === "interrupted" || (end.kind === "error" && end.wasReused && isLost);
  if (hasEnded && isIdempotent && renewals === 0) return "renew";
  if (retries === undefined || granted >= retries.attempts) return "none";
  return isRetryable(end, retries, isIdempotent) ? "retry" : "none";
}

/** The dialler's reason, or the report of a server's sidecar. */
function codeOf(end: AttemptResult): string | undefined {
  return end.kind === "error" && end.error instanceof UpstreamError ? end.error.code : undefined;
}

/** Whether the policy would have retried, but for the number of attempts: Envoy's `URX`. */
export function isRetryLimitExceeded(input: GatewayRetryInput): boolean {
  const { retries, granted } = input;
  if (retries === undefined || retries.attempts === 0 || granted < retries.attempts) return false;
  return decideGatewayRetry({ ...input, granted: 0 }) === "retry";
}

function isRetryable(end: AttemptResult, { retryOn }: RouteRetries, isIdempotent: boolean): boolean {
  if (end.kind === "status") return isIdempotent && retriesStatus(retryOn, end.status);
  const { error } = end;
  if (!(error instanceof UpstreamError) || AFTER_SENDING.has(error.code)) return isIdempotent && retriesReset(retryOn);
  return !FINAL.has(error.code) && retriesConnectFailure(retryOn);
}
