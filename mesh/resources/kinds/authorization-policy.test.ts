import { describe, expect, it } from "vitest";
import { targetRefsOf } from "../fields/policy-target.ts";
import { parseResources } from "../parsing/parse-resources.ts";
import { createTestSet } from "../resource-set-fixture.ts";
import { from, many, policy, problemsOf, to, when } from "./authorization-policy-fixture.ts";

const CUSTOM = ", action: CUSTOM, provider: {name: p}";
const IDENTITY = /cannot be used with the action CUSTOM, which is decided before the client's identity: remove it/;

describe("an AuthorizationPolicy is refused", () => {
  it.each([
    {
      name: "a selector and targetRefs",
      text: policy("{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Service, name: s}]}"),
      problem:
        "a.yaml:4: error: AuthorizationPolicy/x.ns1: spec.targetRefs: has selector and targetRefs: keep one of them",
    },
    {
      name: "an empty selector and a targetRef",
      text: policy("{selector: {}, targetRef: {kind: Service, name: s}}"),
      problem: /spec\.targetRef: has selector and targetRef: keep one/,
    },
    {
      name: "both forms of targetRefs",
      text: policy("{targetRef: {kind: Service, name: s}, targetRefs: [{kind: Service, name: s}]}"),
      problem: /has targetRef and targetRefs: keep one/,
    },
    {
      name: "a `*` in a label's value",
      text: policy('{selector: {matchLabels: {app: "web*"}}}'),
      problem: /spec\.selector\.matchLabels\.app: must not contain `\*`, is "app: web\*": labels are compared exactly/,
    },
    {
      name: "a `*` in a label's name",
      text: policy('{selector: {matchLabels: {"a*": web}}}'),
      problem: /must not contain `\*`, is "a\*: web"/,
    },
    {
      name: "a label without a name",
      text: policy('{selector: {matchLabels: {"": web}}}'),
      problem: /has a label without a name: name it, or remove the entry/,
    },
    {
      name: "a selector with an unknown condition",
      text: policy("{selector: {matchExpressions: []}}"),
      problem: /spec\.selector: has the unknown field matchExpressions: correct its spelling, or remove it/,
    },
    {
      name: "a targetRef without a name",
      text: policy("{targetRefs: [{kind: Service}]}"),
      problem: /spec\.targetRefs\[0\]\.name: is missing/,
    },
    {
      name: "a targetRef with an empty name",
      text: policy('{targetRef: {kind: Service, name: ""}}'),
      problem: /spec\.targetRef\.name: must be at least 1 characters long, is ""/,
    },
    {
      name: "a targetRef to another namespace",
      text: policy("{targetRefs: [{kind: Service, name: s, namespace: ns2}]}"),
      problem:
        /targetRefs\[0\]\.namespace: must be absent, is "ns2": a policy is attached to objects of its own namespace/,
    },
    {
      name: "a targetRef to a kind without policies",
      text: policy("{targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]}"),
      problem: /names "gateway\.networking\.k8s\.io\/HTTPRoute", to which no policy can be attached: use gateway/,
    },
    {
      name: "a targetRef to a kind in another group",
      text: policy("{targetRefs: [{group: networking.istio.io, kind: Gateway, name: g}]}"),
      problem: /names "networking\.istio\.io\/Gateway"/,
    },
    {
      name: "17 targetRefs",
      text: policy(`{targetRefs: ${many(17, "{kind: Service, name: s}")}}`),
      problem: /spec\.targetRefs: must be at most 16 items long, is a list/,
    },
    {
      name: "CUSTOM without rules",
      text: policy("{action: CUSTOM, provider: {name: p}}"),
      problem: /spec\.rules: must not be empty with the action CUSTOM/,
    },
    {
      name: "CUSTOM without a provider",
      text: policy("{action: CUSTOM, rules: [{}]}"),
      problem: /spec\.provider\.name: is missing: the action CUSTOM needs the name of an extension provider/,
    },
    {
      name: "CUSTOM with an empty provider",
      text: policy('{action: CUSTOM, provider: {name: ""}, rules: [{}]}'),
      problem: /spec\.provider\.name: is missing/,
    },
    {
      name: "a provider with another action",
      text: policy("{provider: {name: p}, rules: [{}]}"),
      problem: /spec\.provider: is only for the action CUSTOM, and the action is ALLOW: remove it/,
    },
    {
      name: "DENY without rules",
      text: policy("{action: DENY}"),
      problem:
        /spec\.rules: must not be empty with the action DENY, which would then have no effect: add a rule, or `\{\}`/,
    },
    {
      name: "DENY with an empty list of rules",
      text: policy("{action: DENY, rules: []}"),
      problem: /spec\.rules: must not be empty/,
    },
    {
      name: "an action in lower case",
      text: policy("{action: deny, rules: [{}]}"),
      problem: /spec\.action: must be one of ALLOW, DENY, AUDIT, CUSTOM, is "deny"/,
    },
    {
      name: "a misspelled selector",
      text: policy("{selectors: {}}"),
      problem: /spec: has the unknown field selectors/,
    },
    ...["principals", "notRequestPrincipals", "namespaces", "serviceAccounts", "notTrustDomains"].map((field) => ({
      name: `CUSTOM with ${field}`,
      text: from(`{${field}: [a]}`, CUSTOM),
      problem: IDENTITY,
    })),
    ...["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"].map((key) => ({
      name: `CUSTOM with ${key}`,
      text: when(`{key: ${key}, values: [a]}`, CUSTOM),
      problem: IDENTITY,
    })),
    ...["request.auth.principal", "request.auth.audiences", "request.auth.claims[a]"].map((key) => ({
      name: `CUSTOM with ${key}`,
      text: when(`{key: "${key}", values: [a]}`, CUSTOM),
      problem: IDENTITY,
    })),
    {
      name: "a dry run of AUDIT",
      text: policy("{action: AUDIT, rules: [{}]}", '{istio.io/dry-run: "true"}'),
      problem: /annotations\["istio\.io\/dry-run"\]: is only for the actions ALLOW and DENY, and the action is AUDIT/,
    },
    {
      name: "a dry run of CUSTOM",
      text: policy("{action: CUSTOM, provider: {name: p}, rules: [{}]}", '{istio.io/dry-run: "false"}'),
      problem: /is only for the actions ALLOW and DENY/,
    },
    {
      name: "a dry run that is no boolean",
      text: policy("{rules: [{}]}", '{istio.io/dry-run: "yes"}'),
      problem: /must be "true" or "false", is "yes"/,
    },
    {
      name: "513 rules",
      text: policy(`{rules: ${many(513, "{}")}}`),
      problem: /spec\.rules: must be at most 512 items/,
    },
    {
      name: "513 sources",
      text: policy(`{rules: [{from: ${many(513, "{source: {namespaces: [a]}}")}}]}`),
      problem: /rules\[0\]\.from: must be at most 512 items/,
    },
  ])("with $name", ({ text, problem }) => {
    const { resources } = parseResources({ text, file: "a.yaml" });
    expect(resources).toEqual([]);
    if (typeof problem === "string") expect(problemsOf(text)).toContain(problem);
    else expect(problemsOf(text).join("\n")).toMatch(problem);
  });
});

describe("an AuthorizationPolicy is accepted", () => {
  it.each([
    { name: "without a specification", text: policy("").replace("\nspec: ", ""), spec: { action: "ALLOW", rules: [] } },
    { name: "with an empty specification", text: policy("{}"), spec: { action: "ALLOW", rules: [] } },
    {
      name: "with a rule that matches everything",
      text: policy("{rules: [{}]}"),
      spec: { rules: [{ from: [], to: [], when: [] }] },
    },
    {
      name: "with clauses that are null, as if they were absent",
      text: policy("{rules: [{from: null, to: null, when: null}]}"),
      spec: { rules: [{ from: [], to: [], when: [] }] },
    },
    {
      name: "with an empty list beside another",
      text: from("{principals: [], namespaces: [ns1]}"),
      spec: { rules: [{ from: [{ source: { principals: [], namespaces: ["ns1"] } }] }] },
    },
    {
      name: "with each kind of value",
      text: from(
        '{trustDomains: ["*", "*.td", "td*", td], ipBlocks: ["::1", "fd00::/8", 10.1.2.3/16], serviceAccounts: [a, ns1/a.b]}',
      ),
      spec: { rules: [{ from: [{ source: { serviceAccounts: ["a", "ns1/a.b"] } }] }] },
    },
    {
      name: "with templates of paths",
      text: to('{paths: ["/a/{*}/b/{**}", "/{**}/", "{*}", "/*/b*", "*"]}'),
      spec: { rules: [{ to: [{ operation: { paths: ["/a/{*}/b/{**}", "/{**}/", "{*}", "/*/b*", "*"] } }] }] },
    },
    {
      name: "with nested claims and headers",
      text: when('{key: "request.auth.claims[a.b][c/d]", values: [x]}, {key: "request.headers[X-Y]", notValues: [z]}'),
      spec: { rules: [{ when: [{ key: "request.auth.claims[a.b][c/d]" }, { notValues: ["z"], values: [] }] }] },
    },
    {
      name: "with the older targetRef, of the group `core`",
      text: policy("{targetRef: {group: core, kind: Service, name: s}}"),
      spec: { targetRef: { kind: "Service", name: "s" } },
    },
    {
      name: "with the action CUSTOM about the request alone",
      text: policy("{action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {paths: [/a]}}]}]}"),
      spec: { action: "CUSTOM", provider: { name: "p" } },
    },
    { name: "in a dry run", text: policy("{rules: [{}]}", '{istio.io/dry-run: "T"}'), spec: { action: "ALLOW" } },
  ])("$name", ({ text, spec }) => {
    expect(problemsOf(text)).toEqual([]);
    for (const version of ["v1", "v1beta1"]) {
      const set = createTestSet(text.replace("/v1\n", `/${version}\n`));
      expect(set.authorizationPolicies.get("ns1/x")).toMatchObject({ kind: "AuthorizationPolicy", spec });
    }
  });

  it.each([
    { name: "none", spec: "{selector: {}}", names: [] },
    {
      name: "those of the list",
      spec: "{targetRefs: [{kind: Service, name: a}, {kind: Service, name: b}]}",
      names: ["a", "b"],
    },
    { name: "that of the older form", spec: "{targetRef: {kind: Service, name: a}}", names: ["a"] },
  ])("and the objects that it is attached to are $name", ({ spec, names }) => {
    const found = createTestSet(policy(spec)).authorizationPolicies.get("ns1/x")?.spec;
    expect(found && targetRefsOf(found).map(({ name }) => name)).toEqual(names);
  });

  it("and is found by its namespace", () => {
    const set = createTestSet(policy("{}"));
    expect(set.index.authorizationPoliciesByNamespace.get("ns1")).toEqual([set.authorizationPolicies.get("ns1/x")]);
  });
});
