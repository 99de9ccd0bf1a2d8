import { supportsMutualTls } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Container, Pod } from "../../mesh/resources/kinds/pod.ts";

/** The name of the proxy's container, in sidecars and gateways. */
const PROXY_CONTAINER = "istio-proxy";

/** The proxy's container; a native sidecar is an init container. */
export function proxyContainer(pod: Pod): Container | undefined {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(({ name }) => name === PROXY_CONTAINER);
}

/** Whether a pod's outbound traffic goes through a proxy, as a sidecar's or a gateway's does. */
export function hasProxy(pod: Pod): boolean {
  return proxyContainer(pod) !== undefined || supportsMutualTls(pod);
}

/**
 * Whether the pod's proxy is one of Istio's own, which has its configuration from Istio's control plane: in a cluster
 * that moves from one mesh to the other there are both. All templates of Istio's give `--domain`; Entente's give none.
 */
export function hasIstioProxy(pod: Pod): boolean {
  return (proxyContainer(pod)?.args ?? []).includes("--domain");
}

/** Whether the pod's proxy is a gateway: it has no application behind it, and accepts whom its Gateways say. */
export function isGateway(pod: Pod): boolean {
  return (proxyContainer(pod)?.args ?? []).includes("gateway");
}

/** Whether a sidecar decides who may connect to the pod. */
export function hasSidecar(pod: Pod): boolean {
  return hasProxy(pod) && !isGateway(pod);
}

/** Whether the pod still runs or will run. */
export function isActive(pod: Pod): boolean {
  return pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed";
}

/** `Pod/NAME.NAMESPACE`. A pod of a manifest stands for its workload: `Deployment/NAME.NAMESPACE`. */
export function titleOfPod(pod: Pod): string {
  const [owner] = pod.metadata.ownerReferences;
  if (pod.origin === undefined || owner === undefined) return formatResourceName(pod);
  return formatResourceName({ kind: owner.kind, metadata: { name: owner.name, namespace: pod.metadata.namespace } });
}
