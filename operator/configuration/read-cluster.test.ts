import { describe, expect, it } from "vitest";
import { testPod, testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { collectFindings } from "../analysis/collect-findings.ts";
import { ClusterHarness, createInstalledCluster } from "../installed-cluster-fixture.ts";
import { configurationFromCluster } from "./read-cluster.ts";

const MESHED = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "ns1", labels: { "istio-injection": "enabled" } },
};
const SIDECAR = { containers: [{ name: "app" }, { name: "istio-proxy", image: "entente:0.1.0" }] };

function read({ api }: ClusterHarness) {
  return configurationFromCluster({ api, rootNamespace: "istio-system", signal: new AbortController().signal });
}

describe("the configuration of a cluster", () => {
  it("has its pods, services and rules, and the mesh's settings", async () => {
    const cluster = createInstalledCluster()
      .put(MESHED)
      .putTexts(
        testPod({ name: "web", spec: SIDECAR }),
        testService({ name: "web" }),
        testResource("PeerAuthentication", "default", { mtls: { mode: "STRICT" } }, { namespace: "ns1" }),
      )
      .put({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "istio", namespace: "istio-system" },
        data: {
          mesh: "trustDomain: example.org\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\npathNormalization: {normalization: NONE}\n",
        },
      });
    const { set, settings, problems, injections, origin } = await read(cluster);
    expect(origin).toBe("cluster");
    expect(problems).toEqual([]);
    expect([set.pods.has("ns1/web"), set.services.has("ns1/web")]).toEqual([true, true]);
    expect(set.peerAuthentications.get("ns1/default")?.spec.mtls.mode).toBe("STRICT");
    expect(settings).toMatchObject({
      trustDomain: "example.org",
      outboundTrafficPolicy: "REGISTRY_ONLY",
      pathNormalization: "NONE",
    });
    expect(injections.get("ns1/web")?.kind).toBe("injected");
  });

  it("can be read before anything is installed", async () => {
    const { set, settings } = await read(new ClusterHarness().put(MESHED));
    expect(set.namespaces.has("ns1")).toBe(true);
    expect(settings).toMatchObject({ trustDomain: "cluster.local", rootNamespace: "istio-system" });
  });

  it.each([
    {
      name: "a pod that is older than its namespace's label",
      objects: [
        MESHED,
        JSON.parse(
          testPod({
            name: "old",
            meshed: false,
            metadata: {
              ownerReferences: [
                { apiVersion: "apps/v1", kind: "ReplicaSet", name: "old-1", uid: "1", controller: true },
              ],
            },
          }),
        ),
      ],
      finding: { code: "IST0103", resource: "Pod/old.ns1" },
    },
    {
      name: "a policy of Istio's that Entente does not serve",
      objects: [
        {
          apiVersion: "apiextensions.k8s.io/v1",
          kind: "CustomResourceDefinition",
          metadata: { name: "envoyfilters.networking.istio.io" },
          spec: {
            group: "networking.istio.io",
            scope: "Namespaced",
            names: { kind: "EnvoyFilter", plural: "envoyfilters", singular: "envoyfilter" },
            versions: [{ name: "v1alpha3", served: true, storage: true }],
          },
        },
        { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: { name: "a", namespace: "ns1" } },
      ],
      finding: { code: "ENT0003", resource: "EnvoyFilter/a.ns1" },
    },
    {
      name: "a rule that is not valid",
      objects: [JSON.parse(testResource("DestinationRule", "d", { host: "a b" }, { namespace: "ns1" }))],
      finding: { code: "IST0106", resource: "DestinationRule/d.ns1", field: "spec.host" },
    },
  ])("shows $name", async ({ objects, finding }) => {
    const findings = collectFindings(await read(createInstalledCluster().put(...objects)));
    expect(findings).toContainEqual(expect.objectContaining(finding));
    expect(findings.every(({ file, line }) => file === undefined && line === undefined)).toBe(true);
  });

  it("reports an annotation once for all replicas of a workload", async () => {
    const replica = (name: string) =>
      testPod({
        name,
        labels: { app: "web", "pod-template-hash": "1" },
        spec: SIDECAR,
        metadata: {
          annotations: { "sidecar.istio.io/nonsense": "1" },
          ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-1", uid: "1" }],
        },
      });
    const cluster = createInstalledCluster().put(MESHED).putTexts(replica("web-1-a"), replica("web-1-b"));
    const codes = collectFindings(await read(cluster)).map(({ code, resource }) => `${code} ${resource}`);
    expect(codes).toEqual(["IST0108 Pod/web-1-a.ns1"]);
  });

  it.each([
    { name: "the mesh's image has another name", annotations: {} },
    {
      name: "an annotation chooses its version",
      annotations: { "sidecar.istio.io/proxyImage": "example.org/entente:0.2.0" },
    },
  ])("does not warn of the image of a sidecar that runs: $name", async ({ annotations }) => {
    const spec = { containers: [{ name: "app" }, { name: "istio-proxy", image: "example.org/entente:0.2.0" }] };
    const cluster = createInstalledCluster()
      .put(MESHED)
      .putTexts(testPod({ name: "web", spec, metadata: { annotations } }));
    const configuration = await read(cluster);
    expect(configuration.injections.get("ns1/web")).toMatchObject({ kind: "injected", warnings: [] });
    expect(collectFindings(configuration)).toEqual([]);
  });

  it("finds pods by the label of any installed revision", async () => {
    const canary = { ...MESHED, metadata: { name: "ns1", labels: { "istio.io/rev": "canary" } } };
    const webhook = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "MutatingWebhookConfiguration",
      metadata: {
        name: "istio-sidecar-injector-canary",
        labels: { "app.kubernetes.io/managed-by": "entente", "istio.io/rev": "canary" },
      },
    };
    const cluster = createInstalledCluster()
      .put(canary)
      .putTexts(testPod({ name: "web", meshed: false }));
    expect((await read(cluster)).injections.get("ns1/web")?.kind).toBe("skipped");
    expect((await read(cluster.put(webhook))).injections.get("ns1/web")?.kind).toBe("injected");
  });
});
