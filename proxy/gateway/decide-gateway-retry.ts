import type { RouteRetries } from "../../mesh/policy/routing/http-route.ts";
import { retriesConnectFailure, retriesReset, retriesStatus } from "../../mesh/policy/routing/retry-on.ts";
import { UpstreamError } from "../connections/upstream-dialer.ts";
import type { AcceptedRequest } from "./accepted-request.ts";

/** How a try ended. */
export type GatewayTryEnd =
  | { readonly kind: "error"; readonly error: Error; readonly wasReused: boolean }
  | { readonly kind: "status"; readonly status: number };

export interface GatewayRetryInput {
  readonly end: GatewayTryEnd;
  readonly accepted: Pick<AcceptedRequest, "framing" | "method">;
  readonly retries: RouteRetries | undefined;
  /** Tries that the route's rule has granted so far. */
  readonly granted: number;
  /** A kept connection was found dead already, and the request sent anew. */
  readonly wasRenewed: boolean;
}

/** `renew`: nobody's word is needed, and none of the route's tries is used up. */
export type GatewayRetry = "none" | "renew" | "retry";

/** Safe to send twice (RFC 9110, section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Reasons of the dialler that another try cannot change: nothing was even attempted. */
const FINAL: ReadonlySet<string> = new Set([
  "no_healthy_endpoint",
  "refused_destination",
  "control_plane_away",
  "no_svid",
  "upstream_timeout",
]);

/** Reasons that come from a connection which was there. */
const AFTER_SENDING: ReadonlySet<string> = new Set([
  "try_timeout",
  "upstream_malformed",
  "upstream_head_too_large",
  "upstream_too_many_fields",
]);

/**
 * Whether a request is sent again. Bodies are not kept here, so only a request without one can be; and only an idempotent
 * one, unless no connection was made. Without a rule: once, where a kept connection was closed just as it was used.
 */
export function decideGatewayRetry({ end, accepted, retries, granted, wasRenewed }: GatewayRetryInput): GatewayRetry {
  if (accepted.framing.kind !== "none") return "none";
  const isIdempotent = IDEMPOTENT.has(accepted.method);
  const isOfDialler = end.kind === "error" && end.error instanceof UpstreamError;
  if (end.kind === "error" && end.wasReused && !isOfDialler && isIdempotent && !wasRenewed) return "renew";
  if (retries === undefined || granted >= retries.attempts) return "none";
  return isWorthIt(end, retries, isIdempotent) ? "retry" : "none";
}

/** Whether a rule would have sent the request again, but for the number of tries: Envoy's `URX`. */
export function isRetryLimitExceeded(input: GatewayRetryInput): boolean {
  const { retries, granted } = input;
  if (retries === undefined || retries.attempts === 0 || granted < retries.attempts) return false;
  return decideGatewayRetry({ ...input, granted: 0 }) === "retry";
}

function isWorthIt(end: GatewayTryEnd, { retryOn }: RouteRetries, isIdempotent: boolean): boolean {
  if (end.kind === "status") return isIdempotent && retriesStatus(retryOn, end.status);
  const { error } = end;
  if (!(error instanceof UpstreamError) || AFTER_SENDING.has(error.code)) return isIdempotent && retriesReset(retryOn);
  return !FINAL.has(error.code) && retriesConnectFailure(retryOn);
}
