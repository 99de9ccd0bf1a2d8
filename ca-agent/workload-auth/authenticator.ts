import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";

/** Why a token is not accepted. Stable codes for the log; the caller never receives them. */
export type TokenRefusal =
  | "malformed"
  | "too_large"
  | "unsigned"
  | "algorithm_not_allowed"
  | "unknown_key"
  | "bad_signature"
  | "no_expiry"
  | "expired"
  | "not_yet_valid"
  | "wrong_issuer"
  | "wrong_audience"
  | "not_a_service_account"
  | "not_bound_to_a_pod"
  | "claims_disagree"
  | "refused_by_the_api"
  | "no_keys";

/**
 * Why nothing can be said about a token now. `api_failed`: the Kubernetes API could not be asked. `api_slow`: its answer
 * is still awaited. `too_many_reviews`: this caller, or all of them together, ask more than the API should have to
 * answer.
 */
export type TokenFault = "api_failed" | "api_slow" | "too_many_reviews";

export type TokenVerdict =
  | { readonly kind: "authenticated"; readonly identity: SpiffeId; readonly pod?: BoundPod }
  | { readonly kind: "refused"; readonly reason: TokenRefusal; readonly message: string }
  /** The caller may retry with the same token. */
  | { readonly kind: "unavailable"; readonly reason: TokenFault; readonly message: string };

/** The pod for which a token was issued. The token ends with the pod. */
export interface BoundPod {
  readonly name: string;
  /** Absent: the token's issuer gives its pods none. */
  readonly uid?: string;
}

/** Authenticates callers by their tokens. Never rejects, whatever the token contains. */
export interface Authenticator {
  /** @param address the caller's address, the unit of limits */
  authenticate(token: string, address: string): Promise<TokenVerdict>;
}

export type Refusal = Extract<TokenVerdict, { kind: "refused" }>;

export function refused(reason: TokenRefusal, message: string): Refusal {
  return { kind: "refused", reason, message };
}
