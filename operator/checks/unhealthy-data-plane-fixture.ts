/** For tests: what is out of order with the pods that have a proxy, and their configuration. */
import { testResource } from "../../mesh/resources/resource-set-fixture.ts";
import type { ClusterHarness } from "../installed-cluster-fixture.ts";
import type { CheckOutcome } from "./check.ts";
import { meshedPod, type ServedByPods } from "./healthy-cluster-fixture.ts";

/** A pod with a container that is in this state. */
export const waiting = (name: string, reason: string) => ({
  phase: "Pending",
  conditions: [],
  containerStatuses: [{ name, ready: false, state: { waiting: { reason, message: "back-off" } } }],
});

/** A change of a healthy cluster, or of what its pods serve, and the check that must notice it. */
export interface UnhealthyCase {
  readonly name: string;
  readonly change?: (cluster: ClusterHarness) => unknown;
  readonly served?: ServedByPods;
  readonly title: string;
  readonly kind: CheckOutcome["kind"];
  readonly text: string;
}

export const UNHEALTHY_DATA_PLANES: readonly UnhealthyCase[] = [
  {
    name: "a pod whose redirection failed",
    change: (harness) =>
      harness.putTexts(
        meshedPod("web", {
          initContainerStatuses: [{ name: "istio-init", state: { terminated: { exitCode: 1, reason: "Error" } } }],
        }),
      ),
    title: "could be redirected",
    kind: "failed",
    text: "kubectl -n ns1 logs web -c istio-init",
  },
  {
    name: "a proxy that is not ready",
    change: (harness) => harness.putTexts(meshedPod("web", waiting("istio-proxy", "CrashLoopBackOff"))),
    title: "proxies are ready",
    kind: "warning",
    text: "CrashLoopBackOff",
  },
  {
    name: "a proxy that reports another version than its image's tag",
    served: { proxyVersion: "0.0.9" },
    title: "control plane's version",
    kind: "warning",
    text: "web.ns1 is not of version 0.1.0",
  },
  {
    name: "a proxy of another tag that does not report its version",
    change: (harness) => harness.putTexts(meshedPod("web", {}, "entente:0.0.9")),
    served: { proxies: [] },
    title: "control plane's version",
    kind: "warning",
    text: "web.ns1 is not of version 0.1.0",
  },
  {
    name: "a control plane that reports another version than its image's tag",
    served: { planeVersion: "0.2.0" },
    title: "control plane's version",
    kind: "warning",
    text: "web.ns1 is not of version 0.2.0",
  },
  {
    name: "a trust domain that was changed in the ConfigMap alone",
    served: { awaitingRestart: ["trustDomain"] },
    title: "uses the mesh's present settings",
    kind: "warning",
    text: "in force after a restart: istiod-1.istio-system: trustDomain",
  },
  {
    name: "a proxy that is not connected",
    served: { proxies: [] },
    title: "connected and up to date",
    kind: "failed",
    text: "web.ns1 (not connected)",
  },
  {
    name: "a namespace that refuses the init container",
    change: (harness) =>
      harness.put({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: "ns1", labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
      }),
    title: "namespaces allow",
    kind: "ok",
    text: "",
  },
  {
    name: "an injected namespace that refuses the init container",
    change: (harness) =>
      harness.put({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: {
          name: "ns1",
          labels: { "pod-security.kubernetes.io/enforce": "restricted", "istio-injection": "enabled" },
        },
      }),
    title: "namespaces allow",
    kind: "failed",
    text: "namespace ns1 enforces",
  },
  {
    name: "a rule that is not valid",
    change: (harness) => harness.putTexts(testResource("DestinationRule", "d", { host: "a b" }, { namespace: "ns1" })),
    title: "configuration has no errors",
    kind: "warning",
    text: "1 error,",
  },
];
