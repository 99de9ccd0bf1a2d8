import { describe, expect, it } from "vitest";
import { formatKeySet, parseKeySet } from "./key-set.ts";
import { createIssuerKey, publicJwk } from "./token-issuer-fixture.ts";

const RSA = createIssuerKey("rsa");
const EC = createIssuerKey("ec", "ES256");
const ED = createIssuerKey("ed", "EdDSA");
const ES384 = createIssuerKey("ec384", "ES384");

function parse(...keys: readonly unknown[]) {
  return parseKeySet(JSON.stringify({ keys }));
}

describe("a key set", () => {
  it("has the public keys of RSA, EC and Ed25519, with what verification needs of them", () => {
    const keys = parse(publicJwk(RSA), publicJwk(EC), publicJwk(ED), publicJwk(ES384));
    expect(keys?.map(({ kty, kid, alg, crv }) => ({ kty, kid, alg, crv }))).toEqual([
      { kty: "RSA", kid: "rsa", alg: "RS256", crv: undefined },
      { kty: "EC", kid: "ec", alg: "ES256", crv: "P-256" },
      { kty: "OKP", kid: "ed", alg: "EdDSA", crv: "Ed25519" },
      { kty: "EC", kid: "ec384", alg: "ES384", crv: "P-384" },
    ]);
    expect(keys?.[0]).not.toHaveProperty("use");
    expect(parseKeySet(formatKeySet(keys ?? []))).toEqual(keys);
  });

  it("with a private key that was published by mistake passes on its public part alone", () => {
    const jwk = { ...RSA.privateKey.export({ format: "jwk" }), kid: "rsa" };
    expect(jwk).toHaveProperty("d");
    const text = formatKeySet(parse(jwk) ?? []);
    expect(text).not.toMatch(/"(d|p|q|dp|dq|qi)"/);
    expect(JSON.parse(text)).toEqual({ keys: [{ kty: "RSA", n: jwk.n, e: "AQAB", kid: "rsa" }] });
  });

  const rsa = publicJwk(RSA);
  const ec = publicJwk(EC);
  const modulus = (bytes: number, first = 0x80): string =>
    Buffer.concat([Buffer.from([first]), Buffer.alloc(bytes - 1, 1)]).toString("base64url");
  it.each([
    { name: "a shared secret", key: { kty: "oct", k: "c2VjcmV0", alg: "HS256" } },
    { name: "a public key for an algorithm with a shared secret", key: { ...rsa, alg: "HS256" } },
    { name: "a key of RSA for an algorithm of EC", key: { ...rsa, alg: "ES256" } },
    { name: "a key for an unknown algorithm", key: { ...rsa, alg: "RS1" } },
    { name: "a key for encryption", key: { ...rsa, use: "enc" } },
    { name: "a key that may only sign", key: { ...rsa, key_ops: ["sign"] } },
    { name: "RSA of 1024 bits", key: { ...rsa, n: modulus(128) } },
    { name: "RSA of 2047 bits", key: { ...rsa, n: modulus(256, 0x7f) } },
    { name: "RSA of 8193 bits", key: { ...rsa, n: modulus(1025, 1) } },
    { name: "RSA of 2048 bits of which most are leading zeros", key: { ...rsa, n: modulus(256, 0) } },
    { name: "RSA without a modulus", key: { ...rsa, n: "" } },
    { name: "RSA with a long exponent", key: { ...rsa, e: modulus(5) } },
    { name: "EC on a curve that is not used for signatures", key: { ...ec, crv: "secp256k1" } },
    { name: "EC with a coordinate of another curve", key: { ...ec, crv: "P-384" } },
    { name: "EC without a coordinate", key: { ...ec, y: undefined } },
    { name: "a key of OKP for key exchange", key: { ...publicJwk(ED), crv: "X25519" } },
    { name: "no object", key: "RSA" },
  ])("leaves out $name", ({ key }) => {
    expect(parse(key, rsa)).toHaveLength(1);
  });

  it("keeps at most 100 keys", () => {
    expect(parse(...Array.from({ length: 150 }, () => ec))).toHaveLength(100);
  });

  it.each(["", "null", "[]", "{}", '{"keys":{}}', "-----BEGIN CERTIFICATE-----"])("is not %j", (text) => {
    expect(parseKeySet(text)).toBeUndefined();
  });
});
