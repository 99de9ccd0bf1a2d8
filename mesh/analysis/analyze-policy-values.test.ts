import { describe, expect, it } from "vitest";
import { parseResources } from "../resources/parsing/parse-resources.ts";
import { createResourceSet } from "../resources/resource-set.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";
import { analyze, DENY, from, NAMESPACES, OTHER, policy, TD, tokens, WEB } from "./policy-analysis-fixture.ts";

describe("the analysis of policies' targets and values warns of", () => {
  it.each([
    {
      name: "a selector that selects no workload",
      resources: [WEB, policy({ selector: { matchLabels: { app: "wbe" } } })],
      warning: /^IST0127 AuthorizationPolicy\/p\.ns1: spec\.selector: selects no workload: compare the labels/,
    },
    {
      name: "a selector of another namespace's workload",
      resources: [WEB, OTHER, policy({ selector: { matchLabels: { app: "other" } } })],
      warning: /^IST0127 /,
    },
    {
      name: "a RequestAuthentication's selector that selects no workload",
      resources: [WEB, tokens({ selector: { matchLabels: { app: "wbe" } } })],
      warning: /^IST0127 RequestAuthentication\/t\.ns1: spec\.selector/,
    },
    {
      name: "an empty selector",
      resources: [policy({ selector: {} })],
      warning: /^ENT0018 .*spec\.selector: is empty, so the policy applies as without it/,
    },
    {
      name: "a policy for waypoints",
      resources: [policy({ targetRefs: [{ kind: "Service", name: "web" }] })],
      warning: /^ENT0005 .*spec\.targetRefs: has no effect: sidecars ignore it, and there are no waypoints/,
    },
    {
      name: "a policy for a Gateway of the Kubernetes API",
      resources: [tokens({ targetRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: "g" } })],
      warning: /^ENT0005 .*spec\.targetRef: sidecars ignore this policy: it applies to the pods of that Gateway alone/,
    },
    {
      name: "CUSTOM",
      resources: [policy({ action: "CUSTOM", provider: { name: "p" }, rules: [{}] })],
      warning: /^ENT0005 .*spec\.action: CUSTOM is not supported: .* everything that matches is denied/,
    },
    {
      name: "an unknown namespace",
      resources: [...NAMESPACES, from({ namespaces: ["ns1", "ns3"] })],
      warning:
        /^IST0101 .*spec\.rules\[0\]\.from\[0\]\.source\.namespaces: there is no namespace ns3: check its spelling/,
    },
    {
      name: "an unknown namespace that is excepted",
      resources: [...NAMESPACES, from({ notNamespaces: ["ns3"] })],
      warning: /^IST0101 .*source\.notNamespaces/,
    },
    {
      name: "an unknown namespace of a condition",
      resources: [...NAMESPACES, policy({ rules: [{ when: [{ key: "source.namespace", values: ["ns3"] }] }] })],
      warning: /^IST0101 .*spec\.rules\[0\]\.when\[0\]\.values/,
    },
    {
      name: "a service account of an unknown namespace",
      resources: [...NAMESPACES, from({ serviceAccounts: ["a", "ns3/a"] })],
      warning: /^IST0101 .*there is no namespace ns3/,
    },
    {
      name: "a principal with its scheme",
      resources: [from({ principals: [`spiffe://${TD}/ns/ns1/sa/a`] })],
      warning:
        /^ENT0020 .*source\.principals: spiffe:\/\/cluster\.local\/ns\/ns1\/sa\/a never matches: write the principal without/,
    },
    {
      name: "a token's issuer without a subject",
      resources: [from({ requestPrincipals: ["https://a.example"] })],
      warning: /^ENT0020 .*requestPrincipals: https:\/\/a\.example never matches: .* such as https:\/\/a\.example\/\*$/,
    },
    {
      name: "a pattern of tokens' issuers",
      resources: [policy({ rules: [{ when: [{ key: "request.auth.principal", values: ["https://a*"] }] }] })],
      warning: /^ENT0020 .*https:\/\/a\* never matches: it is read as the issuer https:\/ with the subject a\*/,
    },
    {
      name: "a principal of an unknown trust domain",
      resources: [from({ notPrincipals: ["oen.example/ns/ns1/sa/a"] })],
      warning: /^ENT0020 .*the trust domain oen\.example is neither the mesh's \(own\.example\) nor one of its aliases/,
    },
  ])("$name", ({ resources, warning }) => {
    const warnings = analyze(...resources);
    expect(warnings.filter((line) => warning.test(line))).toHaveLength(1);
  });
});

describe("the analysis of policies' targets and values says nothing about", () => {
  it.each([
    {
      name: "a selector of the root namespace, for another namespace's workload",
      resources: [OTHER, policy({ selector: { matchLabels: { app: "other" } } }, { namespace: "istio-system" })],
    },
    { name: "a selector where no pods are known", resources: [policy({ selector: { matchLabels: { app: "wbe" } } })] },
    { name: "namespaces where none are known, and patterns", resources: [from({ namespaces: ["ns3"] })] },
    {
      name: "issuers with subjects",
      resources: [from({ requestPrincipals: ["https://a.example/*", "*", "a@b/c", "*/c"] })],
    },
    {
      name: "patterns of namespaces",
      resources: [...NAMESPACES, from({ namespaces: ["ns3*"] })],
    },
    {
      name: "principals of domains that the mesh trusts, and patterns",
      resources: [
        from({
          principals: [TD, "own.example", "old.example", "foreign.example", "*", "o*"].map(
            (domain) => `${domain}/ns/ns1/sa/a`,
          ),
        }),
      ],
    },
  ])("$name", ({ resources }) => {
    expect(analyze(...resources).filter((line) => !line.includes("IST0103"))).toEqual([]);
  });

  it("an invalid policy, of which the error is enough", () => {
    const text = policy({ selector: { matchLabels: { app: "wbe" } }, ...DENY });
    const { resources, standIns } = parseResources({ text: [WEB, text].join("\n---\n"), file: "a.yaml" });
    expect(standIns).toHaveLength(1);
    expect(analyzeResourceSet(createResourceSet([...resources, ...standIns]))).toEqual([]);
  });
});
