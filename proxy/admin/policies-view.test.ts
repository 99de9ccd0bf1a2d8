import { describe, expect, it } from "vitest";
import { type AuthorizationPolicyRules, NO_AUTHORIZATION } from "../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../mesh/policy/authorization/authorization-fixture.ts";
import { testTokenRule } from "../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { TokenRule } from "../../mesh/policy/request-authentication/token-rule.ts";
import { createAuthorizationSeries } from "../telemetry/authorization-series.ts";
import { describePolicies } from "./policies-view.ts";

const RULE = testTokenRule({ name: "RequestAuthentication/jwt.foo[0]", audiences: ["shop"] });

function show(policies: readonly AuthorizationPolicyRules[], tokenRules: readonly TokenRule[] = []) {
  const series = createAuthorizationSeries();
  const view = () => describePolicies({ authorization: { ...NO_AUTHORIZATION, policies }, tokenRules }, series.totals);
  return { series, view };
}

const IDS = { deny: "ns[foo]-policy[deny]-rule[0]", other: "ns[foo]-policy[deny]-rule[1]" };
const CUSTOM_ID = "istio-ext-authz-opa-ns[foo]-policy[custom]-rule[0]-deny-due-to-bad-CUSTOM-action";

describe("the policies that are shown", () => {
  it("stand in the order in which they are asked, with their number of rules", () => {
    const { view } = show([
      policyOf("ALLOW", []),
      policyOf("DENY", [{}, {}]),
      policyOf("AUDIT", [{}]),
      policyOf("CUSTOM", [{}]),
    ]);
    expect(view()).toMatchObject({
      state: "active",
      path_normalization: "BASE",
      num_trusted_proxies: 0,
      total_policies: 4,
    });
    expect(view().policies.map(({ policy, rules }) => [policy, rules])).toEqual([
      ["foo/custom", 1],
      ["foo/audit", 1],
      ["foo/deny", 2],
      ["foo/allow", 0],
    ]);
  });

  it("have what they have decided, by any of their rules, and the rules that did", () => {
    const { view, series } = show([policyOf("CUSTOM", [{}]), policyOf("DENY", [{}, {}])]);
    const verdict = { isAudited: false, dryRun: {} };
    for (const ruleId of [IDS.deny, IDS.deny, IDS.other, CUSTOM_ID]) {
      series.count({ ...verdict, kind: "denied", ruleId }, "http");
    }
    series.count({ ...verdict, kind: "allowed", ruleId: "none" }, "http");
    series.count({ ...verdict, kind: "allowed", ruleId: "none" }, "tcp");
    expect(view().policies).toMatchObject([
      { policy: "foo/custom", denied: 1, allowed: 0, decided_by: [CUSTOM_ID] },
      { policy: "foo/deny", denied: 3, allowed: 0, decided_by: [IDS.deny, IDS.other] },
    ]);
    expect(view().without_rule).toEqual({ allowed: 2, denied: 0 });
  });

  it("have what they would have decided in dry run, apart from what is enforced", () => {
    const { view, series } = show([
      policyOf("DENY", [{}], { isDryRun: true }),
      policyOf("DENY", [{}], { name: "real" }),
    ]);
    const dryRun = { deny: { result: "denied", ruleId: IDS.deny } } as const;
    series.count({ kind: "allowed", ruleId: "none", isAudited: false, dryRun }, "http");
    expect(view().policies).toMatchObject([
      { policy: "foo/deny", dry_run: true, denied: 1 },
      { policy: "foo/real", dry_run: false, denied: 0 },
    ]);
  });

  it("are a bounded number, with the total", () => {
    const { view } = show(Array.from({ length: 1200 }, (_, at) => policyOf("DENY", [{}], { name: `p${at}` })));
    expect([view().total_policies, view().policies.length]).toEqual([1200, 1000]);
  });
});

describe("the token rules that are shown", () => {
  it("say whether their keys were fetched, and never show one", () => {
    const jwks = JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x: "A".repeat(43), kid: "secret-kid" }] });
    const { view } = show([], [RULE, { ...RULE, name: "RequestAuthentication/jwt.foo[1]", jwks }]);
    const common = { issuer: "https://issuer.example", audiences: ["shop"] };
    expect(view().token_rules).toEqual([
      { ...common, rule: "RequestAuthentication/jwt.foo[0]", keys: null },
      { ...common, rule: "RequestAuthentication/jwt.foo[1]", keys: 1 },
    ]);
    expect(JSON.stringify(view())).not.toContain("AAAA");
  });
});
