import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { listPages } from "../../kubernetes/reflector/list-pages.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import { versionOfImage } from "../describe/pod-description.ts";
import { hasIstioProxy, hasProxy, isActive, proxyContainer } from "../workloads/pod-proxy.ts";

/** The parts of an installation that run in pods of their own. */
export type Component = "istiod" | "istio-sidecar-injector" | "istio-ingressgateway";

/** A pod of the mesh and the version of its program. */
export interface MeshPod {
  readonly name: string;
  readonly namespace: string;
  readonly version: string;
  readonly isReady: boolean;
}

export interface MeshPods {
  readonly controlPlane: readonly MeshPod[];
  readonly injector: readonly MeshPod[];
  /** Sidecars and gateways, without Istio's own. */
  readonly proxies: readonly MeshPod[];
}

export interface MeshPodsReading {
  readonly api: KubernetesApi;
  readonly rootNamespace: string;
  readonly signal: AbortSignal;
}

/** The pods of the control plane, the injector and the data plane, from one list. */
export async function readMeshPods({ api, rootNamespace, signal }: MeshPodsReading): Promise<MeshPods> {
  const transform = (object: KubernetesObject): readonly Pod[] =>
    parseObject({ ...object }).resources.filter((resource) => resource.kind === "Pod");
  const { objects } = await listPages(api, { selection: { kind: KINDS.pods }, transform, signal });
  const pods = [...objects.values()].flat().filter(isActive);
  const component = (name: Component): readonly MeshPod[] =>
    pods
      .filter(({ metadata }) => metadata.namespace === rootNamespace && isComponent(metadata.labels, name))
      .map((pod) => meshPodOf(pod, pod.spec.containers[0]?.image));
  return {
    controlPlane: component("istiod"),
    injector: component("istio-sidecar-injector"),
    proxies: pods
      .filter((pod) => hasProxy(pod) && !hasIstioProxy(pod))
      .map((pod) => meshPodOf(pod, proxyContainer(pod)?.image)),
  };
}

function isComponent(labels: Readonly<Record<string, string>>, name: Component): boolean {
  return labels["app.kubernetes.io/name"] === name && labels["app.kubernetes.io/managed-by"] === "entente";
}

function meshPodOf({ metadata, status }: Pod, image: string | undefined): MeshPod {
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    version: image === undefined ? "" : versionOfImage(image),
    isReady: status.conditions.some((condition) => condition.type === "Ready" && condition.status === "True"),
  };
}
