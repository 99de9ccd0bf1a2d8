import { describe, expect, it } from "vitest";
import { UNREADABLE } from "../fields/host-keys.ts";
import { createResourceSet, type ResourceSet } from "../resource-set.ts";
import { parseResources } from "./parse-resources.ts";

/** What is known after a cold start with these documents. */
function coldStart(...texts: readonly string[]): ResourceSet {
  const { resources, standIns, problems } = parseResources({ text: texts.join("\n---\n"), file: "a.yaml" });
  expect(problems.some(({ severity }) => severity === "error")).toBe(true);
  return createResourceSet([...resources, ...standIns]);
}

/** Where everything is denied: namespaces, with the labels that select workloads. */
function denials(set: ResourceSet): readonly string[] {
  return [...set.index.authorizationPoliciesByNamespace].flatMap(([namespace, policies]) =>
    policies
      .filter(({ spec }) => spec.action === "DENY" && JSON.stringify(spec.rules) === '[{"from":[],"to":[],"when":[]}]')
      .map(({ spec }) => {
        const attached = [...spec.targetRefs, ...(spec.targetRef ? [spec.targetRef] : [])].map(
          ({ name }) => ` on ${name}`,
        );
        const labels = Object.entries(spec.selector?.matchLabels ?? {}).map(([label, value]) => ` ${label}=${value}`);
        return [namespace === UNREADABLE ? "the mesh" : namespace, ...labels, ...attached].join("");
      }),
  );
}

function security(kind: string, fields: string, place = "name: x, namespace: ns1"): string {
  return `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {${place}}\n${fields}`;
}
const policy = (fields: string, place?: string): string => security("AuthorizationPolicy", fields, place);
const tokens = (fields: string, place?: string): string => security("RequestAuthentication", fields, place);
const WEB = "selector: {matchLabels: {app: web}}";
const MESH = ["the mesh"];

describe("an invalid AuthorizationPolicy without an earlier valid version denies everything", () => {
  it.each([
    { name: "a rule", text: policy("spec: {rules: [{from: [{}]}]}"), expected: ["ns1"] },
    { name: "a rule for a workload", text: policy(`spec: {${WEB}, rules: 1}`), expected: ["ns1 app=web"] },
    { name: "an action", text: policy(`spec: {${WEB}, action: deny, rules: [{}]}`), expected: ["ns1 app=web"] },
    { name: "DENY without rules", text: policy("spec: {action: DENY}"), expected: ["ns1"] },
    { name: "an unsupported action", text: policy("spec: {action: CUSTOM, rules: [{}]}"), expected: ["ns1"] },
    { name: "a selector", text: policy("spec: {selector: {matchLabels: [web]}, rules: [{}]}"), expected: ["ns1"] },
    { name: "a `*` in a selector", text: policy('spec: {selector: {matchLabels: {app: "w*"}}}'), expected: ["ns1"] },
    {
      name: "the name of the selector",
      text: policy("spec: {selectors: {matchLabels: {app: web}}, action: DENY, rules: [{}]}"),
      expected: ["ns1"],
    },
    {
      name: "a selector with an unknown condition",
      text: policy("spec: {selector: {matchLabels: {app: web}, matchExpressions: []}, rules: [{}]}"),
      expected: ["ns1"],
    },
    {
      name: "a selector with targetRefs",
      text: policy(`spec: {${WEB}, targetRefs: [{kind: Service, name: s}]}`),
      expected: ["ns1"],
    },
    {
      name: "a rule of a policy that is attached to a gateway",
      text: policy("spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], rules: 1}"),
      expected: ["ns1 on g"],
    },
    { name: "a targetRef", text: policy("spec: {targetRefs: [{kind: Service}], rules: [{}]}"), expected: ["ns1"] },
    { name: "a `spec` that is a list", text: policy("spec: [DENY]"), expected: ["ns1"] },
    {
      name: "a policy of the mesh",
      text: policy("spec: 1", "name: x, namespace: istio-system"),
      expected: ["istio-system"],
    },
    { name: "a namespace", text: policy("spec: {}", "name: x, namespace: ns_1"), expected: MESH },
    { name: "`metadata`", text: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy", expected: MESH },
    {
      name: "a name",
      text: policy("spec: {action: DENY, rules: [{}]}", "name: [x], namespace: ns1"),
      expected: ["ns1"],
    },
    { name: "a version", text: policy(`spec: {${WEB}, rules: [{}]}`).replace("/v1", "/v9"), expected: ["ns1 app=web"] },
    {
      name: "a group",
      text: policy(`spec: {${WEB}}`).replace("security.istio", "securty.istio"),
      expected: ["ns1 app=web"],
    },
    {
      name: "a group outside Istio's",
      text: policy(`spec: {${WEB}}`).replace("istio.io", "isto.io"),
      expected: ["ns1 app=web"],
    },
    { name: "no apiVersion", text: policy("spec: {}").replace(/^.*\n/, ""), expected: ["ns1"] },
    { name: "a misspelled kind", text: security("AuthorisationPolicy", `spec: {${WEB}}`), expected: ["ns1 app=web"] },
    { name: "a kind that is missing", text: policy("spec: {action: DENY}").replace(/kind.*\n/, ""), expected: ["ns1"] },
    {
      name: "a dry run that is no boolean",
      text: policy(
        "spec: {action: DENY, rules: [{}]}",
        'name: x, namespace: ns1, annotations: {istio.io/dry-run: "yes"}',
      ),
      expected: ["ns1"],
    },
    {
      name: "a dry run of CUSTOM",
      text: policy(
        "spec: {action: CUSTOM, rules: [{}]}",
        'name: x, namespace: ns1, annotations: {istio.io/dry-run: "true"}',
      ),
      expected: ["ns1"],
    },
    {
      name: "annotations",
      text: policy("spec: {rules: [{}]}", "name: x, namespace: ns1, annotations: [istio.io/dry-run]"),
      expected: ["ns1"],
    },
    { name: "YAML", text: policy("spec: {action: DENY"), expected: ["ns1"] },
    { name: "YAML of one workload", text: policy(`spec: {${WEB}`), expected: ["ns1"] },
    {
      name: "YAML of a dry run",
      text: policy("spec: {", 'name: x, namespace: ns1, annotations: {istio.io/dry-run: "true"}'),
      expected: ["ns1"],
    },
    { name: "YAML before the kind", text: `{]\n${policy("spec: {}")}`, expected: MESH },
    {
      name: "the line between it and another document",
      text: `${policy("spec: {}")}\n${security("PeerAuthentication", "spec: {}")}`,
      expected: MESH,
    },
    {
      name: "the line between two of them",
      text: `${policy("spec: {}")}\n${policy("spec: {}", "name: z, namespace: ns2")}`,
      expected: ["ns2", ...MESH],
    },
  ])("in what it may cover, where $name is invalid", ({ text, expected }) => {
    expect(denials(coldStart(text)).toSorted()).toEqual(expected.toSorted());
  });

  it.each([
    { name: "only audits", text: policy("spec: {action: AUDIT, rules: 1}") },
    {
      name: "runs dry",
      text: policy("spec: {action: DENY, rules: 1}", 'name: x, namespace: ns1, annotations: {istio.io/dry-run: "1"}'),
    },
  ])("but nothing if it $name", ({ text }) => {
    expect(denials(coldStart(text))).toEqual([]);
  });

  it("but not in place of another project's policies", () => {
    const { standIns, problems } = parseResources({
      text: policy("spec: 1").replace("security.istio.io", "policy.linkerd.io"),
      file: "a.yaml",
    });
    expect(standIns).toEqual([]);
    expect(problems.map(({ severity }) => severity)).toEqual(["warning"]);
  });

  it("beside a valid one of the same name, if its kind is misspelled", () => {
    const database = "selector: {matchLabels: {app: db}}";
    const set = coldStart(
      policy(`spec: {${WEB}, action: DENY, rules: [{}]}`),
      security("AuthorizationPolicies", `spec: {${database}}`),
    );
    expect(denials(set)).toEqual(["ns1 app=web", "ns1 app=db"]);
  });

  it("and is a STRICT stand-in, too, where any policy may have been", () => {
    const { standIns } = parseResources({ text: `a: ${"x".repeat(2 ** 20)}`, file: "a.yaml" });
    expect(standIns.map(({ kind, standsInFor }) => [kind, standsInFor])).toEqual([
      ["PeerAuthentication", "mesh"],
      ["AuthorizationPolicy", "mesh"],
    ]);
  });
});

describe("an invalid RequestAuthentication without an earlier valid version", () => {
  it.each([
    {
      name: "an issuer",
      rule: 'issuer: "", fromHeaders: [{name: X-Token}]',
      kept: { fromHeaders: [{ name: "X-Token", prefix: "" }] },
    },
    { name: "its keys", rule: "issuer: i, jwks: x, fromParams: [t]", kept: { fromParams: ["t"] } },
    {
      name: "the older name of its keys",
      rule: "issuer: i, jwks_uri: x, fromCookies: [t]",
      kept: { fromCookies: ["t"] },
    },
    {
      name: "an audience",
      rule: 'issuer: i, audiences: [""], outputPayloadToHeader: x-p, outputClaimToHeaders: [{header: x-s, claim: sub}]',
      kept: { outputPayloadToHeader: "x-p", outputClaimToHeaders: [{ header: "x-s", claim: "sub" }] },
    },
  ])("refuses tokens in the places that it names, where $name is invalid", ({ rule, kept }) => {
    const set = coldStart(tokens(`spec: {${WEB}, jwtRules: [{${rule}}]}`));
    const standIn = set.requestAuthentications.get("ns1/x");
    expect(standIn?.spec).toMatchObject({
      selector: { matchLabels: { app: "web" } },
      jwtRules: [{ issuer: "unreadable", jwks: '{"keys":[]}', ...kept }],
    });
    expect(standIn?.standsInFor).toBe("as_written");
    expect(denials(set)).toEqual([]);
  });

  it("refuses tokens where its kind is misspelled", () => {
    const set = coldStart(security("RequestAuthentications", "spec: {jwtRules: [{issuer: i}]}"));
    expect([...set.requestAuthentications.values()]).toMatchObject([
      { spec: { jwtRules: [{ issuer: "unreadable" }] } },
    ]);
  });

  it("refuses tokens in its namespace, where its selector is invalid", () => {
    const set = coldStart(tokens('spec: {selector: {matchLabels: {a: "*"}}, jwtRules: [{issuer: i}]}'));
    const standIn = set.requestAuthentications.get("ns1/x");
    expect(standIn?.spec.selector).toBeUndefined();
    expect(standIn).toMatchObject({ standsInFor: "namespace", spec: { jwtRules: [{ issuer: "unreadable" }] } });
    expect(denials(set)).toEqual([]);
  });

  it.each([
    {
      name: "a place",
      text: tokens(`spec: {${WEB}, jwtRules: [{issuer: i, fromHeaders: [x]}]}`),
      expected: ["ns1 app=web"],
    },
    {
      name: "the name of a place",
      text: tokens(`spec: {${WEB}, jwtRules: [{issuer: i, fromHeader: []}]}`),
      expected: ["ns1 app=web"],
    },
    {
      name: "a field for the payload",
      text: tokens("spec: {jwtRules: [{issuer: i, outputPayloadToHeader: host}]}"),
      expected: ["ns1"],
    },
    { name: "a rule", text: tokens("spec: {jwtRules: [x]}"), expected: ["ns1"] },
    { name: "the list of rules", text: tokens(`spec: {${WEB}, jwtRules: x}`), expected: ["ns1 app=web"] },
    { name: "a `spec` that is a list", text: tokens("spec: []"), expected: ["ns1"] },
    { name: "a namespace", text: tokens("spec: {}", "name: x, namespace: ns_1"), expected: MESH },
    { name: "YAML", text: tokens("spec: {"), expected: ["ns1"] },
    { name: "YAML before the kind", text: `{]\n${tokens("spec: {}")}`, expected: MESH },
    { name: "the group", text: tokens("spec: []").replace("istio.io", "isto.io"), expected: ["ns1"] },
  ])("denies everything, since it is not known where tokens are, where $name is invalid", ({ text, expected }) => {
    expect(denials(coldStart(text)).toSorted()).toEqual(expected.toSorted());
  });

  it("denies beside an AuthorizationPolicy of the same name", () => {
    const set = coldStart(tokens("spec: []"), policy(`spec: {${WEB}, rules: [{}]}`));
    expect(set.index.authorizationPoliciesByNamespace.get("ns1")).toHaveLength(2);
    expect(denials(set)).toEqual(["ns1"]);
  });
});
