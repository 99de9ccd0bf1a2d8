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
      text: "1 of Istio's own",
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
      kind: "warning",
      text: "--revision NAME",
    },
    {
      name: "Istio in another namespace",
      objects: [istiod("istio-other")],
      title: "no other mesh",
      kind: "warning",
      text: "Deployment istio-other/istiod",
    },
  ])("$name: $title is $kind", async ({ objects, title, kind, text }) => {
    const outcome = outcomeOf(await preflight(new ClusterHarness().put(...objects)), title);
    expect(outcome?.kind).toBe(kind);
    expect(JSON.stringify(outcome)).toContain(text);
  });

  const linux = (changes: object) => [node("a", changes), node("b")];

  it.each([
    { name: "no Linux node", objects: [node("a", { operatingSystem: "windows" })], title: "can run", kind: "failed" },
    {
      name: "a Windows node beside",
      objects: [
        node("a"),
        node("w", { operatingSystem: "windows", kernelVersion: "10.0.20348", kubeletVersion: "v1.1.0" }),
      ],
      title: "can run",
      kind: "ok",
      text: "1 of 2 run Linux; no sidecars on w (windows)",
    },
    {
      name: "a node of another architecture",
      objects: linux({ architecture: "s390x" }),
      title: "can run",
      kind: "warning",
      text: "a (s390x) is neither amd64 nor arm64",
    },
    { name: "the oldest kernel", objects: linux({ kernelVersion: "4.18.0-553.el8" }), title: "kernels", kind: "ok" },
    {
      name: "an older kernel",
      objects: linux({ kernelVersion: "4.17.19" }),
      title: "kernels",
      kind: "failed",
      text: "a (4.17.19)",
    },
    {
      name: "a kernel that is not reported",
      objects: linux({ kernelVersion: "" }),
      title: "kernels",
      kind: "failed",
      text: "a (not known)",
    },
    {
      name: "CRI-O",
      objects: linux({ containerRuntimeVersion: "cri-o://1.34.0" }),
      title: "runtimes",
      kind: "ok",
    },
    {
      name: "an old containerd",
      objects: linux({ containerRuntimeVersion: "containerd://1.5.9" }),
      title: "runtimes",
      kind: "warning",
      text: "a (containerd://1.5.9)",
    },
    {
      name: "another runtime",
      objects: linux({ containerRuntimeVersion: "docker://27.0.1" }),
      title: "runtimes",
      kind: "warning",
      text: "containerd 1.6 and cri-o 1.26 or later",
    },
    { name: "the oldest kubelet", objects: linux({ kubeletVersion: "v1.31.0" }), title: "kubelets", kind: "ok" },
    {
      name: "a kubelet that is too old",
      objects: linux({ kubeletVersion: "v1.30.9" }),
      title: "kubelets",
      kind: "failed",
      text: "a (v1.30.9), and the API server v1.34.3",
    },
    {
      name: "a kubelet that is newer than the API server",
      objects: linux({ kubeletVersion: "v1.35.0" }),
      title: "kubelets",
      kind: "failed",
      text: "a (v1.35.0)",
    },
  ])("with $name, $title is $kind", async ({ objects, title, kind, text = "" }) => {
    const outcome = outcomeOf(await preflight(new ClusterHarness().put(...objects)), title);
    expect(outcome?.kind).toBe(kind);
    expect(JSON.stringify(outcome)).toContain(text);
  });

  it("with kubelets without native sidecars it is said that Jobs do not end", async () => {
    const harness = new ClusterHarness().put(node("a", { kubeletVersion: "v1.28.9" }));
    const version = { major: 1, minor: 30, gitVersion: "v1.30.0" };
    const api = Object.assign(harness.api, { version: async () => version });
    const outcome = outcomeOf(await preflight(Object.assign(harness, { api })), "kubelets");
    expect(outcome).toMatchObject({ kind: "warning", message: expect.stringContaining("older than 1.29") });
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
