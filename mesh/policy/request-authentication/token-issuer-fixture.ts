/** For tests: an issuer of tokens with keys of its own. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { TokenRule } from "./token-rule.ts";

export type SigningAlgorithm = "RS256" | "PS256" | "ES256" | "ES384" | "EdDSA";

/** A pair of keys, made for one algorithm. */
export interface IssuerKey {
  readonly algorithm: SigningAlgorithm;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function createIssuerKey(kid: string, algorithm: SigningAlgorithm = "RS256", modulusLength = 2048): IssuerKey {
  return { algorithm, kid, ...generatePair(algorithm, modulusLength) };
}

function generatePair(algorithm: SigningAlgorithm, modulusLength: number) {
  switch (algorithm) {
    case "RS256":
    case "PS256":
      return generateKeyPairSync("rsa", { modulusLength });
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "ES384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" });
    case "EdDSA":
      return generateKeyPairSync("ed25519");
  }
}

/** The public key as a member of a key set. */
export function publicJwk({ publicKey, kid, algorithm }: IssuerKey): Readonly<Record<string, unknown>> {
  return { ...publicKey.export({ format: "jwk" }), kid, alg: algorithm, use: "sig" };
}

export function keySetOf(...keys: readonly IssuerKey[]): string {
  return JSON.stringify({ keys: keys.map(publicJwk) });
}

export interface SignedParts {
  /** Over `alg` and `kid` of the key; undefined leaves one out. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export const ISSUER = "https://issuer.example";
export const SUBJECT = "user-1";

/** A genuine token of `ISSUER`, without times unless `claims` has them. */
export function signToken(key: IssuerKey, { header = {}, claims = {} }: SignedParts = {}): string {
  const signed = unsignedToken(
    { alg: key.algorithm, kid: key.kid, ...header },
    { iss: ISSUER, sub: SUBJECT, ...claims },
  );
  return `${signed}.${signatureOf(key, signed).toString("base64url")}`;
}

/** Header and payload. */
export function unsignedToken(header: object, claims: object): string {
  return [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
}

/** A token with a message authentication code in place of a signature. */
export function hmacToken(secret: string | Buffer, header: object = {}): string {
  const signed = unsignedToken({ alg: "HS256", ...header }, { iss: ISSUER, sub: SUBJECT });
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function signatureOf({ algorithm, privateKey }: IssuerKey, text: string): Buffer {
  const data = Buffer.from(text);
  switch (algorithm) {
    case "RS256":
      return sign("sha256", data, privateKey);
    case "PS256":
      return sign("sha256", data, { key: privateKey, padding: 6, saltLength: 32 });
    case "ES256":
      return sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
    case "ES384":
      return sign("sha384", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
    case "EdDSA":
      return sign(null, data, privateKey);
  }
}

/** A rule for the tokens of `ISSUER`. */
export function testTokenRule(changes: Partial<TokenRule> = {}): TokenRule {
  return {
    name: "RequestAuthentication/tokens.ns2[0]",
    issuer: ISSUER,
    audiences: [],
    jwks: undefined,
    fromHeaders: [],
    fromParams: [],
    fromCookies: [],
    forwardOriginalToken: false,
    outputPayloadToHeader: undefined,
    outputClaimToHeaders: [],
    spaceDelimitedClaims: [],
    ...changes,
  };
}

/** The fields of a request, in their order. */
export function searchedFields(...fields: readonly (readonly [string, string])[]) {
  return {
    count: fields.length,
    nameAt: (index: number) => fields[index]?.[0] ?? "",
    valueAt: (index: number) => fields[index]?.[1] ?? "",
  };
}
