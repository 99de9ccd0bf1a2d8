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
  | "claims_disagree"
  | "no_keys";

export type TokenVerdict =
  | { readonly kind: "authenticated"; readonly identity: SpiffeId }
  | { readonly kind: "refused"; readonly reason: TokenRefusal; readonly message: string };

/** Authenticates the caller by its token. Never throws, whatever the token contains. */
export interface Authenticator {
  authenticate(token: string): Promise<TokenVerdict>;
}
