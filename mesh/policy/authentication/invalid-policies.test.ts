import { describe, expect, it } from "vitest";
import { parseResources } from "../../resources/parsing/parse-resources.ts";
import { TEST_SETTINGS } from "../../resources/resource-set-fixture.ts";
import { coldStart, modes } from "./cold-start-fixture.ts";
import { decideServiceMode } from "./server-mode.ts";

const STRICT_ALL = { "ns1/web": "STRICT", "ns1/db": "STRICT", "ns2/web": "STRICT" };
const STRICT_NS1 = { ...STRICT_ALL, "ns2/web": "PERMISSIVE" };
const STRICT_WEB = { ...STRICT_NS1, "ns1/db": "PERMISSIVE" };

function modern(fields: string, place = "name: rule, namespace: ns1"): string {
  return `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {${place}}\n${fields}`;
}

function legacy(kind: string, fields: string, place = "name: default, namespace: ns1"): string {
  return `apiVersion: authentication.istio.io/v1alpha1\nkind: ${kind}\nmetadata: {${place}}\n${fields}`;
}

const OLD = 'namespace: ns1, creationTimestamp: "2026-01-01T00:00:00Z"';
const NEW = 'namespace: ns1, creationTimestamp: "2026-02-02T00:00:00Z"';

describe("a cold start with an invalid policy", () => {
  it.each([
    { name: "a mode", text: modern("spec: {mtls: {mode: STRIKT}}"), expected: STRICT_NS1 },
    { name: "a mode in lower case", text: modern("spec: {mtls: {mode: strict}}"), expected: STRICT_NS1 },
    { name: "`mtls` as text", text: modern("spec: {mtls: STRICT}"), expected: STRICT_NS1 },
    { name: "a `spec` that is a list", text: modern("spec: [STRICT]"), expected: STRICT_NS1 },
    {
      name: "the mode of one workload",
      text: modern("spec: {selector: {matchLabels: {app: web}}, mtls: {mode: 1}}"),
      expected: STRICT_WEB,
    },
    {
      name: "a selector",
      text: modern("spec: {selector: {matchLabels: [web]}, mtls: {mode: STRICT}}"),
      expected: STRICT_NS1,
    },
    {
      name: "a selector with an unknown condition",
      text: modern("spec: {selector: {matchLabels: {app: web}, matchExpressions: []}, mtls: {mode: STRICT}}"),
      expected: STRICT_NS1,
    },
    {
      name: "ports without a selector",
      text: modern("spec: {mtls: {mode: DISABLE}, portLevelMtls: {8080: {mode: STRICT}}}"),
      expected: STRICT_NS1,
    },
    {
      name: "a port",
      text: modern("spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {http: {mode: STRICT}}}"),
      expected: STRICT_WEB,
    },
    {
      name: "the mesh's mode",
      text: modern("spec: {mtls: {mode: STRIKT}}", "name: default, namespace: istio-system"),
      expected: STRICT_ALL,
    },
    {
      name: "a namespace",
      text: modern("spec: {mtls: {mode: STRICT}}", "name: default, namespace: istio_system"),
      expected: STRICT_ALL,
    },
    { name: "a name", text: modern("spec: {mtls: {mode: STRICT}}", "name: [x], namespace: ns1"), expected: STRICT_NS1 },
    { name: "`metadata`", text: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication", expected: STRICT_ALL },
    {
      name: "a version that is not known",
      text: modern("spec: {mtls: {mode: STRICT}}").replace("/v1", "/v9"),
      expected: STRICT_NS1,
    },
    {
      name: "a misspelled kind",
      text: modern("spec: {mtls: {mode: STRICT}}").replace("kind: Peer", "kind: Pear"),
      expected: STRICT_NS1,
    },
    {
      name: "a misspelled group",
      text: modern("spec: {mtls: {mode: STRICT}}").replace("security.istio.io", "securty.istio.io"),
      expected: STRICT_NS1,
    },
    {
      name: "a group that is not Istio's",
      text: modern("spec: {mtls: {mode: STRICT}}").replace("istio.io", "isto.io"),
      expected: STRICT_NS1,
    },
    { name: "no apiVersion", text: modern("").replace(/^.*\n/, ""), expected: STRICT_NS1 },
    { name: "YAML", text: modern("spec: {mtls: {mode: STRICT}"), expected: STRICT_NS1 },
    { name: "YAML of one workload", text: modern("spec: {selector: {matchLabels: {app: web}}"), expected: STRICT_NS1 },
    { name: "YAML before the kind", text: `{]\n${modern("spec: {}")}`, expected: STRICT_ALL },
    {
      name: "MeshPolicy's mode",
      text: legacy("MeshPolicy", "spec: {peers: [{mtls: {mode: X}}]}"),
      expected: STRICT_ALL,
    },
    { name: "a MeshPolicy without `spec`", text: legacy("MeshPolicy", ""), expected: STRICT_ALL },
    { name: "MeshPolicy's name", text: legacy("MeshPolicy", "spec: {}", "name: mine"), expected: STRICT_ALL },
    { name: "Policy's mode", text: legacy("Policy", "spec: {peers: [{mtls: {mode: X}}]}"), expected: STRICT_NS1 },
    { name: "Policy's name", text: legacy("Policy", "spec: {}", "name: mine, namespace: ns1"), expected: STRICT_NS1 },
    {
      name: "a Policy for the namespace with targets",
      text: legacy("Policy", "spec: {targets: [{name: web}], peers: [{mtls: {}}]}"),
      expected: STRICT_NS1,
    },
  ])("behaves as under STRICT where $name is invalid", ({ text, expected }) => {
    const { problems } = parseResources({ text, file: "a.yaml" });
    expect(problems.some(({ severity }) => severity === "error")).toBe(true);
    const everywhere = { "ns1/web": "PERMISSIVE", "ns1/db": "PERMISSIVE", "ns2/web": "PERMISSIVE" };
    expect(modes(coldStart(text))).toEqual({ ...everywhere, ...expected });
  });

  it("is STRICT for what a legacy Policy targets, on all ports if these are not readable", () => {
    const policy = legacy(
      "Policy",
      "spec: {targets: [{name: web, ports: 80}], peers: [{mtls: {}}]}",
      `name: web, ${OLD}`,
    );
    expect(modes(coldStart(policy), 8080)).toEqual(STRICT_WEB);
  });

  it.each([
    {
      name: "a workload's older policy of which the selector is not readable",
      broken: modern("spec: {selector: 1}", `name: a, ${OLD}`),
      valid: modern("spec: {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}", `name: b, ${NEW}`),
      expected: STRICT_NS1,
    },
    {
      name: "a workload's younger policy of which the selector is not readable",
      broken: modern("spec: {selector: 1}", `name: a, ${NEW}`),
      valid: modern("spec: {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}", `name: b, ${OLD}`),
      expected: { ...STRICT_NS1, "ns1/web": "DISABLE" },
    },
    {
      name: "a namespace's policy next to a workload's",
      broken: modern("spec: {mtls: 1}", `name: a, ${OLD}`),
      valid: modern("spec: {selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}", `name: b, ${NEW}`),
      expected: { ...STRICT_NS1, "ns1/web": "DISABLE" },
    },
    {
      name: "the older of a namespace's two policies",
      broken: modern("spec: {mtls: 1}", `name: a, ${OLD}`),
      valid: modern("spec: {mtls: {mode: DISABLE}}", `name: b, ${NEW}`),
      expected: STRICT_NS1,
    },
    {
      name: "a Policy of which the targets are not readable, before the namespace's own",
      broken: legacy("Policy", "spec: {targets: x}", `name: a, ${OLD}`),
      valid: legacy("Policy", "spec: {peers: []}", `name: default, ${NEW}`),
      expected: STRICT_NS1,
    },
    {
      name: "a MeshPolicy under a namespace's valid Policy",
      broken: legacy("MeshPolicy", "spec: {peers: 1}"),
      valid: legacy("Policy", "spec: {peers: []}"),
      expected: { ...STRICT_ALL, "ns1/web": "DISABLE", "ns1/db": "DISABLE" },
    },
  ])("gives $name the place that it has when valid", ({ broken, valid, expected }) => {
    const everywhere = { "ns1/web": "PERMISSIVE", "ns1/db": "PERMISSIVE", "ns2/web": "PERMISSIVE" };
    expect(modes(coldStart(broken, valid))).toEqual({ ...everywhere, ...expected });
    expect(modes(coldStart(valid, broken))).toEqual({ ...everywhere, ...expected });
  });

  it.each([
    { name: "another project's Policy", text: "apiVersion: kyverno.io/v1\nkind: Policy\nmetadata: {name: x}" },
    { name: "a kind that is not supported yet", text: modern("").replace("PeerAuthentication", "WasmPlugin") },
    {
      name: "a broken VirtualService",
      text: modern("spec: 1").replace("security", "networking").replace("PeerAuthentication", "VirtualService"),
    },
    { name: "text that is no YAML", text: "{]" },
    { name: "a list", text: "- kind\n- PeerAuthentication" },
  ])("is not affected by $name", ({ text }) => {
    expect(new Set(Object.values(modes(coldStart(text))))).toEqual(new Set(["PERMISSIVE"]));
  });

  it("makes clients use mutual TLS, too", () => {
    const set = coldStart(
      legacy("MeshPolicy", "spec: {peers: 1}"),
      modern("spec: {mtls: {mode: DISABLE}}", "name: [x]"),
    );
    const { mode } = decideServiceMode({ set, settings: TEST_SETTINGS, namespace: "ns1" });
    expect(mode).toBe("STRICT");
  });
});
