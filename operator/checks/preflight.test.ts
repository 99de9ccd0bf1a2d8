import { describe, expect, it } from "vitest";
import { ClusterHarness } from "../installed-cluster-fixture.ts";
import type { CheckOutcome } from "./check.ts";
import { evaluateChecks } from "./evaluate-checks.ts";
import { checkedCluster, node } from "./healthy-cluster-fixture.ts";
import { readClusterFacts } from "./read-cluster-facts.ts";

async function preflight(harness: ClusterHarness) {
  const { signal } = new AbortController();
  return evaluateChecks(await readClusterFacts(checkedCluster(harness), "preflight", signal), "preflight");
}

function outcomeOf(groups: Awaited<ReturnType<typeof preflight>>, title: string): CheckOutcome | undefined {
  return groups.flatMap(({ checks }) => checks).find((one) => one.title.includes(title))?.outcome;
}

describe("before an installation", () => {
  const definition = (labels: object, served: boolean) => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "gateways.networking.istio.io", labels },
    spec: {
      group: "networking.istio.io",
      scope: "Namespaced",
      names: { kind: "Gateway", plural: "gateways" },
      versions: [{ name: "v1", served }],
    },
  });
  const istiod = (namespace: string) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "istiod", namespace, labels: { app: "istiod" } },
    spec: {},
  });

  it.each([
    { name: "an empty cluster", objects: [node("a")], title: "definitions fit", kind: "ok", text: "" },
    {
      name: "Istio's definitions",
      objects: [definition({ app: "istio" }, true)],
      title: "definitions fit",
      kind: "ok",
      text: "1 are Istio's own",
    },
    {
      name: "a definition without a version that is read",
      objects: [definition({}, false)],
      title: "definitions fit",
      kind: "failed",
      text: "gateways.networking.istio.io serves no version",
    },
    {
      name: "Istio in the same namespace",
      objects: [istiod("istio-system")],
      title: "no other mesh",
      kind: "failed",
      text: "namespace istio-system has the Deployment istiod",
    },
    {
      name: "Istio in another namespace",
      objects: [istiod("istio-other")],
      title: "no other mesh",
      kind: "warning",
      text: "Deployment istio-other/istiod",
    },
    {
      name: "no Linux node",
      objects: [node("a", { operatingSystem: "windows" })],
      title: "nodes",
      kind: "failed",
      text: "no Linux",
    },
    {
      name: "an old node",
      objects: [node("a", { kubeletVersion: "v1.28.9" })],
      title: "nodes",
      kind: "warning",
      text: "older than 1.29",
    },
    {
      name: "a node of another architecture",
      objects: [node("a", { architecture: "s390x" })],
      title: "nodes",
      kind: "warning",
      text: "a has another architecture",
    },
  ])("$name: $title is $kind", async ({ objects, title, kind, text }) => {
    const outcome = outcomeOf(await preflight(new ClusterHarness().put(...objects)), title);
    expect(outcome?.kind).toBe(kind);
    expect(JSON.stringify(outcome)).toContain(text);
  });

  it.each([
    { minor: 28, kind: "failed" },
    { minor: 29, kind: "ok" },
    { minor: 36, kind: "ok" },
    { minor: 37, kind: "warning" },
  ])("Kubernetes 1.$minor is $kind", async ({ minor, kind }) => {
    const harness = new ClusterHarness();
    const version = { major: 1, minor, gitVersion: `v1.${minor}.0` };
    const api = Object.assign(harness.api, { version: async () => version });
    expect(outcomeOf(await preflight(Object.assign(harness, { api })), "its version is")?.kind).toBe(kind);
  });
});
