/** For tests: what is out of order in a cluster, and the check that must notice it. */
import { KINDS } from "../../kubernetes/kinds.ts";
import { testPod } from "../../mesh/resources/resource-set-fixture.ts";
import type { ClusterHarness } from "../installed-cluster-fixture.ts";
import { ROOT, rootsIn, rootUntil, withBundle } from "./healthy-cluster-fixture.ts";
import { type UnhealthyCase, waiting } from "./unhealthy-data-plane-fixture.ts";

export const UNHEALTHY_CASES: readonly UnhealthyCase[] = [
  {
    name: "a clock that is 20 s off",
    served: { clockAheadMs: -20_000 },
    title: "clock agrees",
    kind: "warning",
    text: "20 s behind",
  },
  {
    name: "a clock that is an hour off",
    served: { clockAheadMs: 3_600_000 },
    title: "clock agrees",
    kind: "failed",
    text: "3600 s ahead",
  },
  {
    name: "a missing resource definition",
    change: ({ cluster }) =>
      cluster.delete(KINDS.customResourceDefinitions, { name: "peerauthentications.security.istio.io" }),
    title: "every resource definition",
    kind: "failed",
    text: "peerauthentications.security.istio.io",
  },
  {
    name: "no control plane",
    change: ({ cluster }) => cluster.delete(KINDS.deployments, { namespace: "istio-system", name: "istiod" }),
    title: "control plane's replicas",
    kind: "failed",
    text: "there is no Deployment of istiod",
  },
  {
    name: "a control plane whose image cannot be pulled",
    change: (harness) =>
      harness.put(deploymentOf(harness, "istiod", 0), istiodPod(waiting("discovery", "ImagePullBackOff"))),
    title: "control plane's replicas",
    kind: "failed",
    text: "pod istio-system/istiod-1: container discovery: ImagePullBackOff",
  },
  {
    name: "a control plane that ends again and again",
    change: (harness) =>
      harness.put(
        deploymentOf(harness, "istiod", 0),
        istiodPod({
          containerStatuses: [
            {
              name: "discovery",
              state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
              lastState: { terminated: { exitCode: 2, message: "no such option" } },
            },
          ],
        }),
      ),
    title: "control plane's replicas",
    kind: "failed",
    text: "CrashLoopBackOff; it ended with 2: no such option",
  },
  {
    name: "roots that are not published yet",
    change: ({ cluster }) =>
      ["default", "kube-system", "istio-system", "ns1"].forEach((namespace) => {
        cluster.delete(KINDS.configMaps, { namespace, name: "istio-ca-root-cert" });
      }),
    title: "every namespace has the same roots",
    kind: "skipped",
    text: "there are none yet",
  },
  {
    name: "one replica of the injector less",
    change: (harness) => harness.put(deploymentOf(harness, "istio-sidecar-injector", 1)),
    title: "injector's replicas",
    kind: "warning",
    text: "1 of 2 ready",
  },
  {
    name: "a root that ends soon",
    change: (harness) => harness.put(...everywhere(rootUntil(20))),
    title: "roots are published",
    kind: "warning",
    text: "(19d",
  },
  {
    name: "a root that has expired",
    change: (harness) => harness.put(...everywhere(rootUntil(-1))),
    title: "roots are published",
    kind: "failed",
    text: "it expired at",
  },
  {
    name: "a namespace with other roots",
    change: (harness) => harness.put(rootsIn("ns1", rootUntil(100))),
    title: "every namespace has the same roots",
    kind: "failed",
    text: "different in ns1",
  },
  {
    name: "a namespace without roots",
    change: ({ cluster }) => cluster.delete(KINDS.configMaps, { namespace: "ns1", name: "istio-ca-root-cert" }),
    title: "every namespace has the same roots",
    kind: "failed",
    text: "missing or different in ns1",
  },
  {
    name: "a webhook without caBundle",
    change: (harness) => harness.put(...webhooksWith(harness, "")),
    title: "injection webhook is configured",
    kind: "failed",
    text: "a webhook without caBundle",
  },
  {
    name: "a webhook whose authority has expired",
    change: (harness) => harness.put(...webhooksWith(harness, rootUntil(-1))),
    title: "injection webhook is configured",
    kind: "failed",
    text: "it expired at",
  },
  {
    name: "no endpoint of the webhook",
    change: ({ cluster }) =>
      cluster.delete(KINDS.endpointSlices, { namespace: "istio-system", name: "istio-sidecar-injector-a" }),
    title: "Service has endpoints",
    kind: "failed",
    text: "no replica of the injector is ready",
  },
  {
    name: "a webhook with the certificate of another authority",
    served: { certificate: { certificate: ROOT.certificate, fault: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" } },
    title: "presents a certificate",
    kind: "failed",
    text: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  },
];

function everywhere(pem: string): readonly object[] {
  return ["default", "kube-system", "istio-system", "ns1"].map((name) => rootsIn(name, pem));
}

function deploymentOf({ cluster }: ClusterHarness, name: string, readyReplicas: number): object {
  const found = cluster.get(KINDS.deployments, { namespace: "istio-system", name });
  const { labels } = found.metadata;
  return { ...found, metadata: { name, namespace: "istio-system", labels }, status: { readyReplicas } };
}

function webhooksWith({ cluster }: ClusterHarness, pem: string): readonly object[] {
  return cluster.list(KINDS.mutatingWebhooks, {}).items.map((one) => withBundle(one, pem));
}

function istiodPod(status: Readonly<Record<string, unknown>>): object {
  const labels = { "app.kubernetes.io/name": "istiod", "app.kubernetes.io/managed-by": "entente" };
  return JSON.parse(testPod({ name: "istiod-1", namespace: "istio-system", meshed: false, labels, status }));
}
