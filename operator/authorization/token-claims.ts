import type { TokenAttributes } from "../../mesh/policy/authorization/authorization.ts";
import { isAddressedTo, tokenAttributes } from "../../mesh/policy/request-authentication/judge-token.ts";
import {
  describeTokenRefusal,
  statusOfTokenRefusal,
  type TokenRefusal,
} from "../../mesh/policy/request-authentication/token-refusal.ts";
import type { TokenRule } from "../../mesh/policy/request-authentication/token-rule.ts";

/** What of a rule decides which claims are accepted, whatever keys the issuer has. */
export type ClaimsRule = Pick<TokenRule, "name" | "issuer" | "audiences" | "spaceDelimitedClaims">;

type Claims = Readonly<Record<string, unknown>>;

/** `undefined` as token: policies see none. */
export type JudgedClaims =
  | { readonly kind: "judged"; readonly token: TokenAttributes | undefined }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * What becomes of a genuine token with these claims at a workload. Signature and times are taken to be in order. Without
 * a RequestAuthentication nothing reads it. If there is one issuer, a token that names none is taken to be of that one.
 */
export function judgeClaims(claims: Claims | undefined, rules: readonly ClaimsRule[]): JudgedClaims {
  if (claims === undefined || rules.length === 0) return { kind: "judged", token: undefined };
  const issuers = new Set(rules.map(({ issuer }) => issuer));
  const [only] = issuers.size === 1 ? issuers : [];
  const issuer = textOf(claims["iss"]) ?? only ?? "";
  const ofIssuer = rules.filter((rule) => rule.issuer === issuer);
  if (ofIssuer.length === 0)
    return refused("unknown_issuer", `it has ${issuer || "none"}; known are ${[...issuers].join(", ")}`);
  const audiences = listOf(claims["aud"]);
  const rule = ofIssuer.find((one) => isAddressedTo({ audiences }, one));
  if (rule === undefined) {
    const wanted = ofIssuer.flatMap((one) => one.audiences).join(" or ");
    return refused(
      "audience",
      `${ofIssuer[0]?.name ?? ""} wants ${wanted}, the token has ${audiences.join(", ") || "none"}`,
    );
  }
  const token = { issuer, subject: textOf(claims["sub"]) ?? "", claims: { ...claims, iss: issuer } };
  return { kind: "judged", token: tokenAttributes(token, rule) };
}

function refused(refusal: TokenRefusal, details: string): JudgedClaims {
  const status = statusOfTokenRefusal(refusal);
  return { kind: "refused", reason: `${describeTokenRefusal(refusal)} (status ${status}): ${details}` };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function listOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === "string");
}
