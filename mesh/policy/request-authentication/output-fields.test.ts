import { describe, expect, it } from "vitest";
import { outputFields, outputNames } from "./output-fields.ts";
import { parseToken } from "./parse-token.ts";
import { createIssuerKey, signToken, testTokenRule } from "./token-issuer-fixture.ts";

const KEY = createIssuerKey("one", "ES256");

function fieldOf(claim: string, claims: Readonly<Record<string, unknown>>): string | undefined {
  const parsed = parseToken(signToken(KEY, { claims }));
  if (parsed.kind !== "token") throw new Error(parsed.refusal);
  return outputFields(parsed.token, testTokenRule({ outputClaimToHeaders: [{ header: "x-claim", claim }] }))[0]?.value;
}

describe("a claim in a field", () => {
  it.each([
    { name: "text", claim: "a b", value: "a b" },
    { name: "text in UTF-8, one character a byte", claim: "à", value: "\u00c3\u00a0" },
    { name: "a whole number", claim: 12, value: "12" },
    { name: "true", claim: true, value: "true" },
    { name: "false", claim: false, value: "false" },
    { name: "absent for empty text", claim: "", value: undefined },
    { name: "absent for a list", claim: ["a"], value: undefined },
    { name: "absent for an object", claim: { a: 1 }, value: undefined },
    { name: "absent for null", claim: null, value: undefined },
    { name: "absent for text that would begin another field", claim: "a\r\nx-role: admin", value: undefined },
    { name: "absent for text that would end the head", claim: "\n\n", value: undefined },
    { name: "absent for a NUL", claim: "admin\0", value: undefined },
    { name: "absent for text that no server would accept", claim: "a".repeat(8193), value: undefined },
  ])("is $name", ({ claim, value }) => {
    expect(fieldOf("own", { own: claim })).toBe(value);
  });

  it.each([
    { path: "address.country", claims: { address: { country: "NL" } }, value: "NL" },
    { path: "https://example.com/role", claims: { "https://example.com/role": "a" }, value: "a" },
    { path: "address.country", claims: { address: "NL" }, value: undefined },
    { path: "constructor.name", claims: {}, value: undefined },
    { path: "__proto__", claims: {}, value: undefined },
  ])("may be nested: $path is $value", ({ path, claims, value }) => {
    expect(fieldOf(path, claims)).toBe(value);
  });
});

it("the payload is in its field as it was signed", () => {
  const token = signToken(KEY);
  const parsed = parseToken(token);
  const rule = testTokenRule({ outputPayloadToHeader: "x-payload" });
  const fields = parsed.kind === "token" && outputFields(parsed.token, rule);
  expect(fields).toEqual([{ name: "x-payload", value: token.split(".")[1] }]);
});

it("a field that frames a message, or carries the peer's identity, is neither set nor removed", () => {
  const rule = testTokenRule({
    outputPayloadToHeader: "x-forwarded-client-cert",
    outputClaimToHeaders: [
      { header: "content-length", claim: "sub" },
      { header: "bad name", claim: "sub" },
    ],
  });
  const parsed = parseToken(signToken(KEY));
  expect(parsed.kind === "token" && outputFields(parsed.token, rule)).toEqual([]);
  expect(outputNames([rule])).toEqual(new Set());
});

it("the names that clients may not use are folded", () => {
  const rule = testTokenRule({
    outputPayloadToHeader: "x_pay",
    outputClaimToHeaders: [{ header: "x-a.b", claim: "a" }],
  });
  expect([...outputNames([rule, testTokenRule()])]).toEqual(["x-pay", "x-a-b"]);
});
