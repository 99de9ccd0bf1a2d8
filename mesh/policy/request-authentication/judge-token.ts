import type { TokenAttributes } from "../authorization/authorization.ts";
import type { PublicKey } from "./key-set.ts";
import type { UnverifiedToken } from "./parse-token.ts";
import type { TokenRefusal } from "./token-refusal.ts";
import type { TokenRule } from "./token-rule.ts";

/** Seconds by which the clocks of issuer and proxy may differ: Envoy's `clock_skew_seconds`. */
const CLOCK_SKEW_S = 60;

/** Keys that are tried for one token without `kid`, or whose issuer's keys have none: each costs a verification. */
const MAX_TRIED_KEYS = 16;

/** Whether a token is valid at a time. @param nowMs of the wall clock. */
export function findTimeFault(
  { expiresAt, notBefore }: Pick<UnverifiedToken, "expiresAt" | "notBefore">,
  nowMs: number,
): TokenRefusal | undefined {
  const now = nowMs / 1000;
  if (notBefore !== undefined && notBefore > now + CLOCK_SKEW_S) return "not_yet_valid";
  return expiresAt !== undefined && expiresAt + CLOCK_SKEW_S < now ? "expired" : undefined;
}

/** Until when a token is not expired, in milliseconds of the wall clock. */
export function validUntilMs({ expiresAt }: Pick<UnverifiedToken, "expiresAt">): number {
  return expiresAt === undefined ? Number.POSITIVE_INFINITY : (expiresAt + CLOCK_SKEW_S) * 1000;
}

/** A rule with its issuer's keys in the form in which they are used. */
export interface KeyedRule {
  readonly rule: TokenRule;
  /** `undefined`: they are not known. */
  readonly keys: readonly PublicKey[] | undefined;
}

/** A key that may have signed a token, under one of the rules that apply to it. */
export interface KeyCandidate {
  readonly rule: TokenRule;
  readonly key: PublicKey;
}

export type TokenJudgment =
  /** The token is accepted under the rule of the first candidate whose key has signed it. */
  | { readonly kind: "candidates"; readonly candidates: readonly KeyCandidate[] }
  | { readonly kind: "refused"; readonly refusal: TokenRefusal };

/**
 * Everything about a token except its signature, in Envoy's order: issuer, times, audience, keys. So most tokens that
 * are not genuine cost no cryptography.
 * @param rules those that look for tokens at the place where it was found.
 */
export function judgeToken(token: UnverifiedToken, rules: readonly KeyedRule[], nowMs: number): TokenJudgment {
  const ofIssuer = rules.filter(({ rule }) => rule.issuer !== "" && rule.issuer === token.issuer);
  if (ofIssuer.length === 0) return { kind: "refused", refusal: "unknown_issuer" };
  const timeFault = findTimeFault(token, nowMs);
  if (timeFault !== undefined) return { kind: "refused", refusal: timeFault };
  const addressed = ofIssuer.filter(({ rule }) => isAddressedTo(token, rule));
  if (addressed.length === 0) return { kind: "refused", refusal: "audience" };
  const candidates = addressed.flatMap(({ rule, keys = [] }) =>
    keys.filter((key) => mayHaveSigned(key, token)).map((key) => ({ rule, key })),
  );
  if (candidates.length > 0) return { kind: "candidates", candidates: candidates.slice(0, MAX_TRIED_KEYS) };
  return { kind: "refused", refusal: keyFault(addressed) };
}

/** Whether a rule accepts a token's audiences; a rule without audiences accepts any. */
export function isAddressedTo(
  { audiences }: Pick<UnverifiedToken, "audiences">,
  rule: Pick<TokenRule, "audiences">,
): boolean {
  return rule.audiences.length === 0 || rule.audiences.some((audience) => audiences.includes(audience));
}

/**
 * The form of the key must be that of the token's algorithm, so that no key is used with an algorithm that it was not
 * made for. A key or token without `kid` matches any, as in Envoy.
 */
function mayHaveSigned(key: PublicKey, { algorithm, keyForm, keyId }: UnverifiedToken): boolean {
  if (key.kty !== keyForm.kty || (keyForm.crv !== undefined && key.crv !== keyForm.crv)) return false;
  if (key.alg !== undefined && key.alg !== algorithm) return false;
  return keyId === undefined || key.kid === undefined || key.kid === keyId;
}

function keyFault(rules: readonly KeyedRule[]): TokenRefusal {
  if (rules.every(({ keys }) => keys === undefined)) return "no_key_set";
  return rules.every(({ keys = [] }) => keys.length === 0) ? "no_valid_key" : "no_matching_key";
}

/** Claims that are lists of words (RFC 8693 §4.2), and that Istio splits in any case. */
const SPACE_DELIMITED: readonly string[] = ["scope", "permission"];

/** What authorization policies see of a token whose signature is genuine. */
export function tokenAttributes(
  { issuer, subject, claims }: Pick<UnverifiedToken, "issuer" | "subject" | "claims">,
  rule: Pick<TokenRule, "spaceDelimitedClaims">,
): TokenAttributes {
  const split = [...SPACE_DELIMITED, ...rule.spaceDelimitedClaims];
  const entries = Object.entries(claims).map(([name, value]): [string, unknown] => {
    return [name, typeof value === "string" && split.includes(name) ? splitWords(value) : value];
  });
  return { issuer, subject, claims: Object.fromEntries(entries) };
}

function splitWords(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}
