import { describe, expect, it } from "vitest";
import { MAX_TOKEN_LENGTH, parseToken } from "./parse-token.ts";
import { unsignedToken } from "./token-issuer-fixture.ts";

const HEADER = { alg: "RS256", kid: "one" };
const CLAIMS = { iss: "https://issuer.example", sub: "user-1" };

function refusalOf(text: string): string | undefined {
  const parsed = parseToken(text);
  return parsed.kind === "refused" ? parsed.refusal : undefined;
}

describe("a token", () => {
  it("is read into its registered claims, without being trusted", () => {
    const claims = { ...CLAIMS, aud: "one", exp: 1.5, nbf: 0, own: { nested: true } };
    const text = `${unsignedToken(HEADER, claims)}.c2ln`;
    expect(parseToken(text)).toEqual({
      kind: "token",
      token: {
        text,
        algorithm: "RS256",
        keyForm: { kty: "RSA", crv: undefined },
        keyId: "one",
        payload: text.split(".")[1],
        claims,
        issuer: "https://issuer.example",
        subject: "user-1",
        audiences: ["one"],
        expiresAt: 1.5,
        notBefore: 0,
      },
    });
  });

  it("may lack every claim that RFC 7519 makes optional", () => {
    const parsed = parseToken(`${unsignedToken({ alg: "ES256" }, {})}.c2ln`);
    const expected = { issuer: "", subject: "", audiences: [], expiresAt: undefined, keyId: undefined };
    expect(parsed.kind === "token" && parsed.token).toMatchObject(expected);
  });

  it.each([
    { name: "the algorithm none", header: { alg: "none" }, refusal: "unsupported_alg" },
    { name: "the algorithm None, in another case", header: { alg: "None" }, refusal: "unsupported_alg" },
    { name: "an algorithm with a shared secret", header: { alg: "HS256" }, refusal: "unsupported_alg" },
    { name: "an algorithm in another case", header: { alg: "rs256" }, refusal: "unsupported_alg" },
    {
      name: "the name of a property of objects as algorithm",
      header: { alg: "constructor" },
      refusal: "unsupported_alg",
    },
    { name: "no algorithm", header: {}, refusal: "header_alg" },
    { name: "a list of algorithms", header: { alg: ["RS256"] }, refusal: "header_alg" },
    { name: "a critical extension", header: { ...HEADER, crit: ["b64"], b64: false }, refusal: "header_crit" },
    { name: "an empty list of critical extensions", header: { ...HEADER, crit: [] }, refusal: "header_crit" },
    { name: "a key id that is a number", header: { ...HEADER, kid: 1 }, refusal: "header_kid" },
  ])("with $name is refused", ({ header, refusal }) => {
    expect(refusalOf(`${unsignedToken(header, CLAIMS)}.c2ln`)).toBe(refusal);
  });

  it.each([
    { claims: { iss: 1 }, refusal: "payload_iss" },
    { claims: { sub: {} }, refusal: "payload_sub" },
    { claims: { aud: 1 }, refusal: "payload_aud" },
    { claims: { aud: ["one", 2] }, refusal: "payload_aud" },
    { claims: { exp: "1" }, refusal: "payload_exp" },
    { claims: { exp: -1 }, refusal: "payload_exp" },
    { claims: { exp: null }, refusal: "payload_exp" },
    { claims: { nbf: [] }, refusal: "payload_nbf" },
  ])("with the claims $claims is refused", ({ claims, refusal }) => {
    expect(refusalOf(`${unsignedToken(HEADER, { ...CLAIMS, ...claims })}.c2ln`)).toBe(refusal);
  });

  const [header, payload] = unsignedToken(HEADER, CLAIMS).split(".");
  const text = (json: string): string => Buffer.from(json).toString("base64url");
  it.each([
    { name: "nothing", token: "", refusal: "bad_format" },
    { name: "two parts", token: `${header}.${payload}`, refusal: "bad_format" },
    { name: "four parts", token: `${header}.${payload}.c2ln.c2ln`, refusal: "bad_format" },
    { name: "five parts, an encrypted token", token: `${header}....`, refusal: "bad_format" },
    { name: "padding", token: `${header}=.${payload}.c2ln`, refusal: "header_base64" },
    { name: "the alphabet of base64", token: `${header}.${payload}+.c2ln`, refusal: "payload_base64" },
    { name: "an impossible length", token: `${header}.${payload}.c2lnx`, refusal: "signature_base64" },
    { name: "a blank", token: `${header}.${payload}. c2l`, refusal: "signature_base64" },
    { name: "another token behind a comma", token: `${header}.${payload}.c2ln,${header}`, refusal: "signature_base64" },
    { name: "a header that is a list", token: `${text("[]")}.${payload}.c2ln`, refusal: "header_json" },
    { name: "a payload that is no JSON", token: `${header}.${text("{")}.c2ln`, refusal: "payload_json" },
    { name: "a payload that is null", token: `${header}.${text("null")}.c2ln`, refusal: "payload_json" },
    {
      name: "a payload that is not UTF-8",
      token: `${header}.${Buffer.from([0x22, 0xff, 0x22]).toString("base64url")}.c2ln`,
      refusal: "payload_json",
    },
    { name: "more than 16 KB", token: `${header}.${payload}.${"A".repeat(MAX_TOKEN_LENGTH)}`, refusal: "too_long" },
  ])("of $name is refused", ({ token, refusal }) => {
    expect(refusalOf(token)).toBe(refusal);
  });
});
