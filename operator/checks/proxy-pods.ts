import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import { hasIstioProxy, hasProxy, isActive } from "../workloads/pod-proxy.ts";

/** A pod with a proxy, as it was read and as it is understood. */
export interface ProxyPodFacts {
  readonly object: KubernetesObject;
  readonly pod: Pod;
}

/** The pods that have a proxy of this mesh and run, or will run. */
export function proxyPods(objects: readonly KubernetesObject[]): readonly ProxyPodFacts[] {
  return activePods(objects).filter(({ pod }) => hasProxy(pod) && !hasIstioProxy(pod));
}

/** How many pods have a proxy of Istio's, whose state its own control plane knows. */
export function countIstioPods(objects: readonly KubernetesObject[]): number {
  return activePods(objects).filter(({ pod }) => hasIstioProxy(pod)).length;
}

function activePods(objects: readonly KubernetesObject[]): readonly ProxyPodFacts[] {
  return objects.flatMap((object) => {
    const [pod] = parseObject({ ...object }).resources;
    return pod?.kind === "Pod" && isActive(pod) ? [{ object, pod }] : [];
  });
}

/** A check names at most so many of what is out of order. */
export const SHOWN = 5;

/** `NAME.NAMESPACE` of the first pods, and how many more there are. */
export function namesOf(pods: readonly KubernetesObject[]): string {
  const names = pods.slice(0, SHOWN).map(({ metadata }) => `${metadata.name}.${metadata.namespace}`);
  return `${names.join(", ")}${pods.length > SHOWN ? ` and ${pods.length - SHOWN} more` : ""}`;
}
