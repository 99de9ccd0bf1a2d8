/** For tests: a cluster in which everything is in order, and what its pods serve. */
import type { X509Certificate } from "node:crypto";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { testPod, testSlice } from "../../mesh/resources/resource-set-fixture.ts";
import { type ClusterHarness, createInstalledCluster } from "../installed-cluster-fixture.ts";
import type { PageRequest } from "../pod-pages.ts";
import type { CheckedCluster } from "./read-cluster-facts.ts";

const DAY_MS = 86_400_000;
const valid = (fromDays: number, toDays: number) => ({
  notBefore: new Date(Date.now() + fromDays * DAY_MS),
  notAfter: new Date(Date.now() + toDays * DAY_MS),
});

export const ROOT = mintRoot(valid(-1, 3650));
const SERVING = mintLeaf({
  issuer: ROOT,
  uriSans: [],
  dnsSans: ["istio-sidecar-injector.istio-system.svc"],
  ...valid(-1, 30),
});

/** A root that ends in some days; negative: it has ended. */
export function rootUntil(days: number): string {
  return mintRoot(valid(-400, days)).pem;
}

export function rootsIn(namespace: string, pem: string): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "istio-ca-root-cert", namespace },
    data: { "root-cert.pem": pem },
  };
}

/** A cluster with an installation that runs, and a pod with a sidecar in ns1. */
export function createHealthyCluster(): ClusterHarness {
  const harness = createInstalledCluster().put(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "ns1", labels: { "istio-injection": "enabled" } } },
    node("node1"),
    ...["default", "kube-system", "istio-system", "ns1"].map((name) => rootsIn(name, ROOT.pem)),
  );
  const all = (kind: ApiKind): readonly KubernetesObject[] => harness.cluster.list(kind, {}).items;
  harness.put(
    ...all(KINDS.deployments).map((deployment) => ({
      ...withoutState(deployment),
      status: { readyReplicas: Reflect.get(Object(deployment["spec"]), "replicas") },
    })),
    ...[...all(KINDS.mutatingWebhooks), ...all(KINDS.validatingWebhooks)].map((one) => withBundle(one, ROOT.pem)),
  );
  return harness.putTexts(
    component("istiod-1", "istiod"),
    component("injector-1", "istio-sidecar-injector"),
    meshedPod("web", {}),
    testSlice({
      name: "istio-sidecar-injector-a",
      namespace: "istio-system",
      service: "istio-sidecar-injector",
      endpoints: [{ addresses: ["10.0.9.1"], conditions: { ready: true } }],
    }),
  );
}

const RUNTIME = { kernelVersion: "6.1.0-18-amd64", containerRuntimeVersion: "containerd://1.7.24" };

export function node(name: string, changes: object = {}): object {
  const nodeInfo = {
    operatingSystem: "linux",
    architecture: "amd64",
    kubeletVersion: "v1.34.3",
    ...RUNTIME,
    ...changes,
  };
  return { apiVersion: "v1", kind: "Node", metadata: { name }, status: { nodeInfo } };
}

/** A pod of ns1 with a sidecar. */
export function meshedPod(name: string, status: Readonly<Record<string, unknown>>, image = "entente:0.1.0"): string {
  return testPod({ name, spec: { containers: [{ name: "app" }, { name: "istio-proxy", image }] }, status });
}

function component(name: string, app: string): string {
  return testPod({
    name,
    namespace: "istio-system",
    meshed: false,
    labels: { "app.kubernetes.io/name": app, "app.kubernetes.io/managed-by": "entente" },
    spec: { containers: [{ name: "main", image: "entente:0.1.0" }] },
  });
}

/** A webhook configuration with another `caBundle` in each webhook. */
export function withBundle(configuration: KubernetesObject, pem: string): object {
  const webhooks: unknown = configuration["webhooks"];
  const caBundle = Buffer.from(pem).toString("base64");
  return {
    ...withoutState(configuration),
    webhooks: (Array.isArray(webhooks) ? webhooks : []).map((webhook) => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle },
    })),
  };
}

function withoutState({ metadata, ...object }: KubernetesObject): object {
  const { name, namespace, labels } = metadata;
  return { ...object, metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels } };
}

export interface ServedByPods {
  /** The proxies that the control plane lists. @default web */
  readonly proxies?: readonly string[];
  /** The settings that the control plane would take after a restart. @default none */
  readonly awaitingRestart?: readonly string[];
  /** What the proxies report. @default "0.1.0" */
  readonly proxyVersion?: string;
  /** What the control plane reports. @default "0.1.0" */
  readonly planeVersion?: string;
  /** @default the injector's own */
  readonly certificate?: { readonly certificate: X509Certificate; readonly fault?: string };
  /** @default 0 */
  readonly clockAheadMs?: number;
}

/** The cluster as the checks read it. */
export function checkedCluster({ api }: ClusterHarness, served: ServedByPods = {}): CheckedCluster {
  const { proxies = ["web"], certificate = { certificate: SERVING.certificate }, clockAheadMs = 0 } = served;
  const { proxyVersion = "0.1.0", planeVersion = "0.1.0", awaitingRestart } = served;
  const listed = proxies.map((pod) => proxyStatus(pod, proxyVersion));
  const page = { version: planeVersion, proxies: listed, awaitingRestart };
  return {
    api,
    server: "https://cluster.example",
    rootNamespace: "istio-system",
    readClock: async () => clockAheadMs,
    now: Date.now,
    pods: {
      get: async ({ path }: PageRequest) =>
        path === "/debug/syncz" ? { status: 200, body: JSON.stringify(page) } : { status: 404, body: "" },
      presentedCertificate: async () => certificate,
    },
  };
}

function proxyStatus(pod: string, version: string): object {
  const times = { connectedSince: new Date().toISOString(), lastSent: null, lastAcknowledged: null };
  return { namespace: "ns1", pod, identity: "", version, resources: [], rejections: [], ...times };
}
