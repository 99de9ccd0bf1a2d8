import { describe, expect, it } from "vitest";
import { judgeToken, type KeyedRule, tokenAttributes, validUntilMs } from "./judge-token.ts";
import { parseKeySet } from "./key-set.ts";
import { parseToken, type UnverifiedToken } from "./parse-token.ts";
import {
  createIssuerKey,
  ISSUER,
  type IssuerKey,
  keySetOf,
  SUBJECT,
  signToken,
  testTokenRule,
} from "./token-issuer-fixture.ts";
import type { TokenRule } from "./token-rule.ts";

const KEY = createIssuerKey("one");
const OTHER = createIssuerKey("two");
const EC = createIssuerKey("ec", "ES256");
const NOW_MS = 1_800_000_000_000;
const NOW_S = NOW_MS / 1000;

function tokenWith(claims: Readonly<Record<string, unknown>>, key: IssuerKey = KEY, header = {}): UnverifiedToken {
  const parsed = parseToken(signToken(key, { claims, header }));
  if (parsed.kind !== "token") throw new Error(parsed.refusal);
  return parsed.token;
}

function keyed(changes: Partial<TokenRule>, jwks: string | undefined = keySetOf(KEY)): KeyedRule {
  return { rule: testTokenRule(changes), keys: jwks === undefined ? undefined : parseKeySet(jwks) };
}

function refusalOf(token: UnverifiedToken, ...rules: readonly KeyedRule[]): string | undefined {
  const judgment = judgeToken(token, rules, NOW_MS);
  return judgment.kind === "refused" ? judgment.refusal : undefined;
}

function candidatesOf(token: UnverifiedToken, ...rules: readonly KeyedRule[]) {
  const judgment = judgeToken(token, rules, NOW_MS);
  return judgment.kind === "candidates" ? judgment.candidates : [];
}

describe("an issuer", () => {
  it.each([
    { name: "another", iss: "https://other.example" },
    { name: "one with the rule's as its prefix", iss: `${ISSUER}/` },
    { name: "the rule's in another case", iss: ISSUER.toUpperCase() },
    { name: "none", iss: undefined },
    { name: "an empty one", iss: "" },
  ])("is refused if it is $name (ISTIO-SECURITY-2021-001)", ({ iss }) => {
    expect(refusalOf(tokenWith({ iss }), keyed({}), keyed({ issuer: "https://third.example" }))).toBe("unknown_issuer");
  });

  it("is refused if it is empty, even under a rule without one", () => {
    expect(refusalOf(tokenWith({ iss: "" }), keyed({ issuer: "" }))).toBe("unknown_issuer");
  });

  it("is never verified with the keys of another", () => {
    const rules = [keyed({ issuer: "https://other.example" }), keyed({}, keySetOf(OTHER))];
    expect(candidatesOf(tokenWith({}, OTHER), ...rules).map(({ rule }) => rule.issuer)).toEqual([ISSUER]);
    expect(refusalOf(tokenWith({}), ...rules)).toBe("no_matching_key");
  });
});

describe("a time", () => {
  it.each([
    { name: "expired for more than the skew of 60 s", claims: { exp: NOW_S - 61 }, refusal: "expired" },
    { name: "expired at the beginning of time", claims: { exp: 0 }, refusal: "expired" },
    { name: "expired within the skew", claims: { exp: NOW_S - 59 }, refusal: undefined },
    { name: "valid in more than the skew", claims: { nbf: NOW_S + 61 }, refusal: "not_yet_valid" },
    { name: "valid within the skew", claims: { nbf: NOW_S + 59 }, refusal: undefined },
    { name: "issued in the future, which says nothing", claims: { iat: NOW_S + 999 }, refusal: undefined },
  ])("$name: $refusal", ({ claims, refusal }) => {
    expect(refusalOf(tokenWith(claims), keyed({}))).toBe(refusal);
  });

  it("ends a token's validity with its skew", () => {
    expect(validUntilMs(tokenWith({ exp: NOW_S }))).toBe(NOW_MS + 60_000);
    expect(validUntilMs(tokenWith({}))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("an audience", () => {
  it.each([
    { name: "not checked without audiences of the rule", audiences: [], aud: undefined, refusal: undefined },
    { name: "one of the rule's", audiences: ["a", "b"], aud: "b", refusal: undefined },
    { name: "one of several of the token's", audiences: ["a"], aud: ["x", "a"], refusal: undefined },
    { name: "another", audiences: ["a"], aud: ["x"], refusal: "audience" },
    { name: "a longer one", audiences: ["a"], aud: "a/", refusal: "audience" },
    { name: "none, though the rule has one", audiences: ["a"], aud: undefined, refusal: "audience" },
    { name: "an empty list", audiences: ["a"], aud: [], refusal: "audience" },
  ])("is $name", ({ audiences, aud, refusal }) => {
    expect(refusalOf(tokenWith({ aud }), keyed({ audiences }))).toBe(refusal);
  });

  it("of one rule for an issuer does not count under another", () => {
    const rules = [keyed({ audiences: ["a"], name: "a" }), keyed({ audiences: ["b"], name: "b" })];
    expect(candidatesOf(tokenWith({ aud: "b" }), ...rules).map(({ rule }) => rule.name)).toEqual(["b"]);
  });
});

describe("a key", () => {
  const withoutId = JSON.stringify({ keys: [{ ...KEY.publicKey.export({ format: "jwk" }) }] });
  it.each([
    { name: "has the token's id", token: tokenWith({}), jwks: keySetOf(OTHER, KEY), kids: ["one"] },
    { name: "has no id", token: tokenWith({}), jwks: withoutId, kids: [undefined] },
    {
      name: "is any of the algorithm if the token names none",
      token: tokenWith({}, KEY, { kid: undefined }),
      jwks: keySetOf(OTHER, EC, KEY),
      kids: ["two", "one"],
    },
    {
      name: "of another form is none, with the same id",
      token: tokenWith({}, EC, { kid: "one" }),
      jwks: keySetOf(KEY),
      kids: [],
    },
    {
      name: "for another algorithm is none",
      token: tokenWith({}, KEY, { alg: "RS512" }),
      jwks: keySetOf(KEY),
      kids: [],
    },
    {
      name: "of another curve is none",
      token: tokenWith({}, EC, { alg: "ES384", kid: undefined }),
      jwks: keySetOf(EC),
      kids: [],
    },
    {
      name: "is none whose id is a path or a query",
      token: tokenWith({}, KEY, { kid: "../../one" }),
      jwks: keySetOf(KEY),
      kids: [],
    },
  ])("$name", ({ token, jwks, kids }) => {
    expect(candidatesOf(token, keyed({}, jwks)).map(({ key }) => key.kid)).toEqual(kids);
  });

  it("is not tried among more than 16, because each costs a verification", () => {
    const keys = Array.from({ length: 40 }, (_, index) => ({ ...KEY, kid: String(index) }));
    expect(candidatesOf(tokenWith({}, KEY, { kid: undefined }), keyed({}, keySetOf(...keys)))).toHaveLength(16);
  });

  it.each([
    { name: "was never fetched: there is no default key (CVE-2026-31837)", jwks: undefined, refusal: "no_key_set" },
    { name: "is not in an empty set", jwks: '{"keys":[]}', refusal: "no_valid_key" },
    { name: "has another id", jwks: keySetOf(OTHER), refusal: "no_matching_key" },
  ])("that $name", ({ jwks, refusal }) => {
    expect(refusalOf(tokenWith({}), { ...keyed({}), keys: jwks === undefined ? undefined : parseKeySet(jwks) })).toBe(
      refusal,
    );
  });
});

it("claims that are lists of words are split; all others are as in the token", () => {
  const claims = { scope: "read  write", permission: "all", roles: "a b", name: "A B", aud: "x y" };
  const attributes = tokenAttributes(tokenWith(claims), testTokenRule({ spaceDelimitedClaims: ["roles"] }));
  expect(attributes).toEqual({
    issuer: ISSUER,
    subject: SUBJECT,
    claims: {
      ...claims,
      iss: ISSUER,
      sub: SUBJECT,
      scope: ["read", "write"],
      permission: ["all"],
      roles: ["a", "b"],
    },
  });
});
