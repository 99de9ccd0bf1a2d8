import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MAX_TOKEN_BYTES, readTokenClaims } from "./token-claims.ts";
import { createToken, HELLO_POD, type TokenOptions } from "./token-fixture.ts";

const nowMs = Date.parse("2030-01-01T00:00:00Z");
const nowS = nowMs / 1000;
const expected = { audience: "istio-ca", trustDomain: parseTrustDomain("cluster.local"), nowMs };

function read(options: Omit<TokenOptions, "nowMs"> = {}) {
  return readTokenClaims(createToken({ ...options, nowMs }), expected);
}

describe("a token's claims", () => {
  it("are account, pod and times", () => {
    expect(read()).toEqual({
      kind: "plausible",
      claims: {
        identity: "spiffe://cluster.local/ns/ns1/sa/hello",
        pod: HELLO_POD,
        issuedAtMs: nowMs,
        expiresAtMs: nowMs + 12 * 3_600_000,
      },
    });
  });

  it.each([
    { name: "one of several audiences", claims: { aud: ["api", "istio-ca"] } },
    { name: "an audience as text", claims: { aud: "istio-ca" } },
    { name: "a token that has just expired: only the API has the right clock", claims: { exp: nowS - 3600 } },
    { name: "a token of a clock that is ahead", claims: { iat: nowS + 3600, nbf: nowS + 3600 } },
  ])("are plausible with $name", ({ claims }) => {
    expect(read({ claims }).kind).toBe("plausible");
  });

  it.each([
    { name: "of another audience", claims: { aud: ["https://kubernetes.default.svc"] }, reason: "wrong_audience" },
    { name: "of no audience", claims: { aud: undefined }, reason: "wrong_audience" },
    { name: "of a longer audience", claims: { aud: ["istio-ca-2"] }, reason: "wrong_audience" },
    { name: "without an end", claims: { exp: undefined }, reason: "no_expiry" },
    { name: "with an end that is text", claims: { exp: `${nowS + 60}` }, reason: "no_expiry" },
    { name: "with an end beyond all time", claims: { exp: 1e300 }, reason: "no_expiry" },
    { name: "that expired three hours ago", claims: { exp: nowS - 3 * 3600 }, reason: "expired" },
    { name: "of a user", claims: { sub: "admin" }, reason: "not_a_service_account" },
    {
      name: "of an account with a colon",
      claims: { sub: "system:serviceaccount:a:b:c" },
      reason: "not_a_service_account",
    },
    { name: "of a node", claims: { sub: "system:node:node1" }, reason: "not_a_service_account" },
    {
      name: "of an account in capitals",
      claims: { sub: "system:serviceaccount:NS1:hello", "kubernetes.io": undefined },
      reason: "not_a_service_account",
    },
    { name: "of two accounts", claims: { sub: "system:serviceaccount:ns1:other" }, reason: "claims_disagree" },
    {
      name: "that is bound to no pod",
      claims: { "kubernetes.io": { namespace: "ns1", serviceaccount: { name: "hello" } } },
      reason: "not_bound_to_a_pod",
    },
    {
      name: "that is bound to a pod without a uid",
      claims: { "kubernetes.io": { namespace: "ns1", serviceaccount: { name: "hello" }, pod: { name: "hello-1" } } },
      reason: "not_bound_to_a_pod",
    },
  ])("$name are refused", ({ claims, reason }) => {
    expect(read({ claims })).toMatchObject({ kind: "refused", reason });
  });

  it.each([
    { name: "nothing", token: "", reason: "malformed" },
    { name: "text", token: "garbage", reason: "malformed" },
    { name: "two parts", token: "e30.e30", reason: "malformed" },
    { name: "four parts", token: "e30.e30.e30.e30", reason: "malformed" },
    { name: "a header that is not JSON", token: "AAAA.e30.AAAA", reason: "malformed" },
    { name: "content that is a list", token: `${createToken({ nowMs }).split(".")[0]}.W10.AAAA`, reason: "malformed" },
    { name: "no signature", token: createToken({ nowMs }).replace(/[^.]+$/, ""), reason: "unsigned" },
    { name: "the algorithm none", token: createToken({ header: { alg: "nOnE" }, nowMs }), reason: "unsigned" },
    { name: "too many bytes", token: `${createToken({ nowMs })}${"A".repeat(MAX_TOKEN_BYTES)}`, reason: "too_large" },
  ])("of $name are refused", ({ token, reason }) => {
    expect(readTokenClaims(token, expected)).toMatchObject({ kind: "refused", reason });
  });

  it("never throw, whatever the token contains", () => {
    const part = fc.oneof(
      fc.base64String(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 4 }).map((parts) => parts.join(".")),
        ),
        (token) => {
          expect(readTokenClaims(token, expected).kind).toBe("refused");
        },
      ),
    );
  });
});
