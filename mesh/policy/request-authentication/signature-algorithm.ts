/** The key that an algorithm of RFC 7518 §3.1 or RFC 8037 needs. */
export interface KeyForm {
  readonly kty: "RSA" | "EC" | "OKP";
  /** `undefined`: none, or any. */
  readonly crv: string | undefined;
}

/**
 * The algorithms with which tokens may be signed. All have a public key: an algorithm with a shared secret, or `none`,
 * would let anybody who has the key set, or nothing at all, sign tokens. Istio accepts HS256, HS384 and HS512 from key
 * sets with secrets.
 */
const KEY_FORMS: ReadonlyMap<string, KeyForm> = new Map<string, KeyForm>([
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((name): [string, KeyForm] => [
    name,
    { kty: "RSA", crv: undefined },
  ]),
  ["ES256", { kty: "EC", crv: "P-256" }],
  ["ES384", { kty: "EC", crv: "P-384" }],
  ["ES512", { kty: "EC", crv: "P-521" }],
  ["EdDSA", { kty: "OKP", crv: "Ed25519" }],
]);

/** `undefined`: the algorithm is not accepted. Names are case-sensitive. */
export function keyFormOf(algorithm: string): KeyForm | undefined {
  return KEY_FORMS.get(algorithm);
}
