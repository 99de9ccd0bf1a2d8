/**
 * Why a request with a token is refused. The texts are those of Envoy's jwt_authn filter, which clients and dashboards
 * know, except for the limits that Envoy does not have.
 */
const TEXTS = {
  multiple_tokens: "Found multiple Jwt tokens",
  too_long: "Jwt is too long",
  bad_format: "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
  header_base64: "Jwt header is an invalid Base64url encoded",
  header_json: "Jwt header is an invalid JSON",
  header_alg: "Jwt header [alg] field is required and must be a string",
  unsupported_alg: "Jwt header [alg] is not supported",
  header_kid: "Jwt header [kid] field is not a string",
  header_crit: "Jwt header [crit] is not supported",
  payload_base64: "Jwt payload is an invalid Base64url encoded",
  payload_json: "Jwt payload is an invalid JSON",
  payload_iss: "Jwt payload [iss] field is not a string",
  payload_sub: "Jwt payload [sub] field is not a string",
  payload_aud: "Jwt payload [aud] field is not a string or string list",
  payload_exp: "Jwt payload [exp] field is not a positive integer",
  payload_nbf: "Jwt payload [nbf] field is not a positive integer",
  signature_base64: "Jwt signature is an invalid Base64url encoded",
  unknown_issuer: "Jwt issuer is not configured",
  not_yet_valid: "Jwt not yet valid",
  expired: "Jwt is expired",
  audience: "Audiences in Jwt are not allowed",
  no_key_set: "Jwks remote fetch is failed",
  no_valid_key: "Jwks doesn't have any valid public key",
  no_matching_key: "Jwks doesn't have key to match kid or alg from Jwt",
  bad_signature: "Jwt verification fails",
  overloaded: "Jwt verification is overloaded",
} as const;

export type TokenRefusal = keyof typeof TEXTS;

/** One line for the client and the access log; it contains nothing of the token. */
export function describeTokenRefusal(refusal: TokenRefusal): string {
  return TEXTS[refusal];
}

/** As Envoy: 403 for a genuine token that is meant for another audience; 503 if there was no capacity to verify it. */
export function statusOfTokenRefusal(refusal: TokenRefusal): 401 | 403 | 503 {
  if (refusal === "overloaded") return 503;
  return refusal === "audience" ? 403 : 401;
}
