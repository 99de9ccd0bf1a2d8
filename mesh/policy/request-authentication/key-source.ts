import type { RequestAuthentication } from "../../resources/kinds/request-authentication.ts";

/** One entry of a RequestAuthentication's `jwtRules`. */
export type JwtRule = RequestAuthentication["spec"]["jwtRules"][number];

/** Where an issuer's keys are fetched. */
export interface KeySource {
  /** The same for all rules with the same source. */
  readonly key: string;
  /** `openid`: a discovery document, which names the address of the keys. */
  readonly kind: "jwks" | "openid";
  readonly url: string;
  readonly issuer: string;
}

/** Of a document of OpenID Connect Discovery 1.0 §4, below the issuer. */
const DISCOVERY_PATH = "/.well-known/openid-configuration";

/** `undefined`: the rule contains its keys. */
export function keySourceOf({
  issuer,
  jwks,
  jwksUri,
}: Pick<JwtRule, "issuer" | "jwks" | "jwksUri">): KeySource | undefined {
  if (jwks !== undefined) return undefined;
  if (jwksUri !== undefined) return { key: jwksUri, kind: "jwks", url: jwksUri, issuer };
  return { key: `openid ${issuer}`, kind: "openid", url: `${issuer.replace(/\/$/, "")}${DISCOVERY_PATH}`, issuer };
}
