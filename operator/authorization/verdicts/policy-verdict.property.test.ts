import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_AUTHORIZATION } from "../../../mesh/policy/authorization/authorization.ts";
import { compileAuthorization, decideAuthorization } from "../../../mesh/policy/authorization/decide-authorization.ts";
import { arbitraryAttributes, arbitraryPolicies } from "./arbitrary-authorization-fixture.ts";
import { explainPolicies } from "./policy-verdict.ts";

const policies = arbitraryPolicies("ALLOW", "DENY", "AUDIT", "CUSTOM");

describe("an explained verdict", () => {
  it("is the proxy's, by the rule that the proxy names", () => {
    fc.assert(
      fc.property(policies, arbitraryAttributes, (given, attributes) => {
        const decided = decideAuthorization(compileAuthorization({ policies: given }), attributes);
        const { verdict, isAudited, dryRun } = explainPolicies({ ...NO_AUTHORIZATION, policies: given }, attributes);
        expect([verdict.kind, isAudited]).toEqual([decided.kind, decided.isAudited]);
        expect(verdict.by === "rule").toBe(decided.ruleId !== "none");
        if (verdict.by === "rule") {
          const { policy, rule, action } = verdict.rule;
          const [name = ""] = policy.slice("AuthorizationPolicy/".length).split(".");
          expect(decided.ruleId).toContain(`policy[${name}]-rule[${rule}]`);
          expect(action).toBe(given.find((one) => one.name === name)?.action);
        }
        expect(Object.fromEntries(dryRun.map(({ action, result }) => [action, result]))).toEqual({
          ...(decided.dryRun.allow && { ALLOW: decided.dryRun.allow.result }),
          ...(decided.dryRun.deny && { DENY: decided.dryRun.deny.result }),
        });
      }),
    );
  });

  it("says what would be without the policies that deny", () => {
    fc.assert(
      fc.property(policies, arbitraryAttributes, (given, attributes) => {
        const { verdict } = explainPolicies({ ...NO_AUTHORIZATION, policies: given }, attributes);
        fc.pre(verdict.kind === "denied" && verdict.by === "rule");
        const rest = given.filter(({ action }) => action !== "DENY" && action !== "CUSTOM");
        const decided = decideAuthorization(compileAuthorization({ policies: rest }), attributes);
        expect(verdict.kind === "denied" && verdict.by === "rule" && verdict.otherwise.kind).toBe(decided.kind);
      }),
    );
  });
});
