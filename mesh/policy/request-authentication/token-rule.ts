/**
 * One entry of `jwtRules` of a RequestAuthentication that applies to a workload, as the control plane sends it: with the
 * keys that it has fetched.
 */
export interface TokenRule {
  /** For logs: `RequestAuthentication/NAME.NAMESPACE[INDEX]`. */
  readonly name: string;
  /** The claim `iss` of the tokens that it verifies (RFC 7519 §4.1.1), compared exactly. */
  readonly issuer: string;
  /** One of them must be in the token's `aud`; empty: not checked. */
  readonly audiences: readonly string[];
  /**
   * The issuer's keys, a JSON Web Key Set (RFC 7517 §5). `undefined`: it could not be fetched yet, and each of the
   * issuer's tokens is refused. There is no default key (CVE-2026-31837).
   */
  readonly jwks: string | undefined;
  /**
   * Where tokens are looked for: fields, query parameters, cookies. All empty: `Authorization: Bearer` and the query
   * parameter `access_token`.
   */
  readonly fromHeaders: readonly TokenField[];
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  /** Whether the application receives the token, too. */
  readonly forwardOriginalToken: boolean;
  /** A field in which the application receives the verified payload, base64url; `undefined`: none. */
  readonly outputPayloadToHeader: string | undefined;
  /** Fields in which the application receives single claims. */
  readonly outputClaimToHeaders: readonly ClaimField[];
  /** Claims that are split at spaces, besides `scope` and `permission`. */
  readonly spaceDelimitedClaims: readonly string[];
}

/** A field that may contain a token after a prefix. */
export interface TokenField {
  /** In lower case. */
  readonly name: string;
  /** `Bearer `; empty: the whole value. */
  readonly prefix: string;
}

export interface ClaimField {
  /** In lower case. */
  readonly header: string;
  readonly claim: string;
}
