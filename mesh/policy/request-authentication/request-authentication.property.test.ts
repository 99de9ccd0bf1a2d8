import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKeySet } from "./key-set.ts";
import { outputFields } from "./output-fields.ts";
import { parseToken } from "./parse-token.ts";
import { searchedFields, testTokenRule, unsignedToken } from "./token-issuer-fixture.ts";
import { findTokens, redactParameters, withoutParameters } from "./token-locations.ts";

const part = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.json().map((json) => Buffer.from(json).toString("base64url")),
);

const name = fc.constantFrom("access_token", "access%5ftoken", "token", "a", "", "%", "access_token%");
const pair = fc.tuple(name, fc.constantFrom("=secret", "=", "", "=%73ecret", "=x=y")).map((parts) => parts.join(""));
const path = fc.array(pair, { maxLength: 6 }).map((pairs) => `/p?${pairs.join("&")}`);
const TOKEN_NAME = new Set(["access_token"]);

describe("any text", () => {
  it("is a token or refused, and never throws", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        expect(["token", "refused"]).toContain(parseToken(parts.join(".")).kind);
      }),
    );
  });

  it("that is a key set has at most members of public keys", () => {
    const key = fc.dictionary(
      fc.constantFrom("kty", "kid", "alg", "n", "e", "d", "p", "k", "crv", "x", "y"),
      fc.string(),
    );
    const rsa = key.map((members) => ({ ...members, kty: "RSA", n: "_".repeat(342), e: "AQAB", alg: "RS256" }));
    fc.assert(
      fc.property(fc.array(fc.oneof(key, rsa)), (keys) => {
        for (const found of parseKeySet(JSON.stringify({ keys })) ?? []) {
          for (const secret of ["d", "p", "k"]) expect(found).not.toHaveProperty(secret);
        }
      }),
    );
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseKeySet(text)));
  });
});

describe("a query", () => {
  it("without its tokens has none, and all else as it came", () => {
    const location = { kind: "parameter", name: "access_token" } as const;
    fc.assert(
      fc.property(path, (original) => {
        const edited = withoutParameters(original, TOKEN_NAME);
        expect(findTokens(location, { path: edited, fields: searchedFields() })).toEqual([]);
        const others = (text: string) =>
          [...new URLSearchParams(text.slice(3))].filter(([key]) => key !== "access_token");
        expect(others(edited)).toEqual(others(original));
      }),
    );
  });

  it("in a log has no value of a token", () => {
    fc.assert(
      fc.property(path, (original) => {
        const values = new URLSearchParams(redactParameters(original, TOKEN_NAME).slice(3)).getAll("access_token");
        expect(values.every((value) => value === "[redacted]")).toBe(true);
      }),
    );
  });
});

it("no claim, however a user named itself, adds a line or another field", () => {
  const rule = testTokenRule({ outputClaimToHeaders: [{ header: "x-name", claim: "name" }] });
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.jsonValue()), (claim) => {
      const parsed = parseToken(`${unsignedToken({ alg: "RS256" }, { name: claim })}.c2ln`);
      if (parsed.kind !== "token") throw new Error("the token is not read");
      const fields = outputFields(parsed.token, rule);
      expect(fields.length).toBeLessThanOrEqual(1);
      for (const { value } of fields) expect(value).toMatch(/^[\x20-\x7e\x80-\xff]*$/);
    }),
  );
});
