import { describe, expect, it } from "vitest";
import { type ClaimsRule, judgeClaims } from "./token-claims.ts";

function ruleOf(issuer: string, audiences: readonly string[] = []): ClaimsRule {
  return { name: `RequestAuthentication/${issuer}.ns2[0]`, issuer, audiences, spaceDelimitedClaims: [] };
}

describe("a token's claims", () => {
  it.each([
    { name: "there is none", claims: undefined, rules: [ruleOf("i")] },
    { name: "nothing verifies it", claims: { iss: "i" }, rules: [] },
  ])("are unknown to policies if $name", ({ claims, rules }) => {
    expect(judgeClaims(claims, rules)).toEqual({ kind: "judged", token: undefined });
  });

  it("are those of the only issuer if none is named, and split where Istio splits them", () => {
    expect(judgeClaims({ sub: "s", scope: "read write" }, [ruleOf("i")])).toEqual({
      kind: "judged",
      token: { issuer: "i", subject: "s", claims: { iss: "i", sub: "s", scope: ["read", "write"] } },
    });
  });

  it.each([
    {
      name: "an unknown issuer",
      claims: { iss: "x" },
      reason: /issuer is not configured \(status 401\).*it has x; known are i, j/,
    },
    { name: "no issuer among several", claims: { sub: "s" }, reason: /status 401.*has none/ },
    {
      name: "another audience",
      claims: { iss: "j", aud: ["b"] },
      reason: /status 403.*j\.ns2\[0\] wants a, the token has b/,
    },
    { name: "no audience", claims: { iss: "j" }, reason: /status 403.*the token has none/ },
  ])("are refused with $name", ({ claims, reason }) => {
    const judged = judgeClaims(claims, [ruleOf("i"), ruleOf("j", ["a"])]);
    expect(judged).toMatchObject({ kind: "refused", reason: expect.stringMatching(reason) });
  });
});
