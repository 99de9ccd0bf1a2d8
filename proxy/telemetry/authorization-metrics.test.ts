import { describe, expect, it } from "vitest";
import type { AuthorizationVerdict } from "../../mesh/policy/authorization/authorization.ts";
import { authorizationFamilies } from "./authorization-metrics.ts";
import { type AuthorizationSeries, createAuthorizationSeries } from "./authorization-series.ts";

function verdict(changes: Partial<AuthorizationVerdict>): AuthorizationVerdict {
  return { kind: "allowed", ruleId: "ns[a]-policy[p]-rule[0]", isAudited: false, dryRun: {}, ...changes };
}

function page(series: AuthorizationSeries): readonly string[] {
  return authorizationFamilies(series).flatMap((family) => [...family.samples()]);
}

describe("the verdicts of policies", () => {
  it("are counted by result, protocol and rule", () => {
    const series = createAuthorizationSeries();
    series.count(verdict({}), "http");
    series.count(verdict({}), "http");
    series.count(verdict({ kind: "denied", ruleId: "none" }), "tcp");
    expect(page(series)).toEqual([
      'entente_rbac_total{authz_enforce_result="allowed",request_protocol="http",rule="ns[a]-policy[p]-rule[0]"} 2\n',
      'entente_rbac_total{authz_enforce_result="denied",request_protocol="tcp",rule="none"} 1\n',
    ]);
  });

  it("in dry run are counted by their action, apart from those in force", () => {
    const series = createAuthorizationSeries();
    const dryRun = {
      allow: { result: "denied", ruleId: "none" },
      deny: { result: "denied", ruleId: "ns[a]-policy[d]-rule[1]" },
    } as const;
    series.count(verdict({ dryRun, ruleId: "none" }), "http");
    expect(page(series)).toEqual([
      'entente_rbac_total{authz_enforce_result="allowed",request_protocol="http",rule="none"} 1\n',
      'entente_rbac_dry_run_total{authz_dry_run_action="allow",authz_dry_run_result="denied",request_protocol="http",rule="none"} 1\n',
      'entente_rbac_dry_run_total{authz_dry_run_action="deny",authz_dry_run_result="denied",request_protocol="http",rule="ns[a]-policy[d]-rule[1]"} 1\n',
    ]);
  });

  it("with an audit are counted again", () => {
    const series = createAuthorizationSeries();
    series.count(verdict({ isAudited: true }), "http");
    expect(page(series).at(-1)).toMatch(/^entente_rbac_audited_total\{.*\} 1\n$/);
  });

  it("have at most 501 different rules, however many policies there are", () => {
    const series = createAuthorizationSeries();
    for (let index = 0; index < 2000; index += 1) series.count(verdict({ ruleId: `rule ${index}` }), "http");
    const lines = page(series);
    expect(lines).toHaveLength(501);
    expect(lines.at(-1)).toContain('rule="other"} 1500');
  });
});
