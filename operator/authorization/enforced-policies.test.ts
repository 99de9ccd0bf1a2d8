import { describe, expect, it } from "vitest";
import { NO_AUTHORIZATION } from "../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../mesh/policy/authorization/authorization-fixture.ts";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
} from "../../mesh/resources/resource-set-fixture.ts";
import { describePolicies } from "../../proxy/admin/policies-view.ts";
import { isOutdated, readEnforcedPolicies } from "./enforced-policies.ts";
import { describePodAuthorization } from "./pod-authorization.ts";
import { decidePodRules } from "./server-facts.ts";

const policy = (name: string, spec: object) => testResource("AuthorizationPolicy", name, spec, { namespace: "ns1" });
const facts = {
  set: createTestSet(
    testPod({ name: "web" }),
    policy("deny", { action: "DENY", rules: [{ to: [{ operation: { methods: ["PUT"] } }] }, {}] }),
    policy("allow", { rules: [{}] }),
  ),
  settings: TEST_SETTINGS,
};
const pod = findTestPod(facts.set, "ns1/web");
const { signal } = new AbortController();

function read(page: unknown) {
  const pages = { get: () => Promise.resolve({ status: 200, body: JSON.stringify(page) }) };
  return readEnforcedPolicies(pages, { pod, demanded: describePodAuthorization(facts, pod) }, signal);
}

describe("what a proxy enforces", () => {
  it("is what the configuration demands, by the page of a proxy that has it", async () => {
    const rules = decidePodRules(facts, pod);
    if (rules === undefined) throw new Error("the pod has no proxy");
    const own = { authorization: rules.authorization, tokenRules: [] };
    const rule = "ns[ns1]-policy[deny]-rule[0]";
    const enforced = await read(
      describePolicies(own, (kind) =>
        kind === "enforced" ? [{ kind, rule, result: "denied", count: 3, protocol: "http" }] : [],
      ),
    );
    expect(enforced).toEqual({
      kind: "compared",
      missing: [],
      surplus: [],
      decisions: [
        { policy: "ns1/deny", allowed: 0, denied: 3 },
        { policy: "ns1/allow", allowed: 0, denied: 0 },
      ],
    });
    expect(isOutdated(enforced)).toBe(false);
  });

  it("differs where the proxy's configuration is older", async () => {
    const authorization = {
      ...NO_AUTHORIZATION,
      policies: [policyOf("ALLOW", [{}])],
      pathNormalization: "NONE",
    } as const;
    const enforced = await read(describePolicies({ authorization, tokenRules: [] }, () => []));
    expect(isOutdated(enforced)).toBe(true);
    expect(enforced).toMatchObject({
      missing: ["ns1/deny (DENY, 2 rules)", "ns1/allow (ALLOW, 1 rule)", "path normalization BASE"],
      surplus: ["foo/allow (ALLOW, 1 rule)", "path normalization NONE"],
    });
  });

  it("is not known of a proxy that lists only some of its policies", async () => {
    const page = { state: "active", path_normalization: "BASE", total_policies: 1001, policies: [] };
    expect(await read(page)).toEqual({ kind: "unknown", reason: "the proxy lists 0 of 1001 policies" });
  });
});
