/** Facts about pods and services that several decisions need. */
import { formatSpiffeId, type SpiffeId } from "../identity/spiffe-id.ts";
import type { MeshSettings } from "../mesh-settings.ts";
import { normalizeHost } from "../resources/fields/normalize-host.ts";
import { formatResourceKey } from "../resources/fields/resource-names.ts";
import type { Container, Pod } from "../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { ServiceInfo, WorkloadInfo } from "./types.ts";

type Labels = Readonly<Record<string, string>>;

/** The label that injection adds to pods whose sidecar supports mutual TLS. */
const TLS_MODE_LABEL = "security.istio.io/tlsMode";

/** Whether labels match a selector; an empty selector matches everything. */
export function matchLabels(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value);
}

/**
 * The pods that a service selects and that can receive connections: with an address, running, not terminating and,
 * unless the service publishes those too, not unready.
 */
export function findReadyPods(set: ResourceSet, service: Service): readonly Pod[] {
  const pods = set.index.podsByNamespace.get(service.metadata.namespace) ?? [];
  const evenUnready = service.spec.publishNotReadyAddresses === true;
  return pods.filter((pod) => selectsPod(service, pod) && isRunning(pod) && (evenUnready || !isUnready(pod)));
}

/** TCP ports of a service: the mesh handles nothing else. */
export function findTcpPorts(service: Service): readonly ServicePort[] {
  return service.spec.ports.filter((port) => port.protocol === "TCP");
}

/** The pod port that a service's port leads to; undefined if the pod has no port of that name. */
export function resolveTargetPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  return findContainerPorts(pod).find((candidate) => candidate.name === target)?.containerPort;
}

/** The TCP ports that a pod's containers declare, including native sidecars (init containers that always restart). */
export function findContainerPorts(
  pod: Pod,
): readonly { readonly name?: string | undefined; readonly containerPort: number }[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  const all: readonly Container[] = [...pod.spec.containers, ...sidecars];
  return all.flatMap((container) => container.ports ?? []).filter((port) => port.protocol === "TCP");
}

/** Whether a pod's sidecar accepts mutual TLS. */
export function supportsMutualTls(pod: Pod): boolean {
  return pod.metadata.labels[TLS_MODE_LABEL] === "istio";
}

/** The SPIFFE ids that a pod may have: one for each trusted domain. */
export function identitiesOfPod(pod: Pod, settings: MeshSettings): readonly SpiffeId[] {
  return [settings.trustDomain, ...settings.trustDomainAliases].map((trustDomain) =>
    formatSpiffeId({
      trustDomain,
      namespace: pod.metadata.namespace,
      serviceAccount: pod.spec.serviceAccountName,
    }),
  );
}

export function formatServiceHost(service: Service, settings: Pick<MeshSettings, "clusterDomain">): string {
  return `${service.metadata.name}.${service.metadata.namespace}.svc.${settings.clusterDomain}`;
}

/** The service of a fully qualified host. */
export function findServiceByHost(
  { set, settings }: { readonly set: ResourceSet; readonly settings: Pick<MeshSettings, "clusterDomain"> },
  host: string,
): Service | undefined {
  const suffix = `.svc.${settings.clusterDomain}`;
  const normalized = normalizeHost(host);
  if (!normalized.endsWith(suffix)) return undefined;
  const [name = "", namespace = "", ...rest] = normalized.slice(0, -suffix.length).split(".");
  return rest.length > 0 ? undefined : set.services.get(formatResourceKey(namespace, name));
}

export function serviceInfo(service: Service, settings: Pick<MeshSettings, "clusterDomain">): ServiceInfo {
  const { name, namespace } = service.metadata;
  return { host: formatServiceHost(service, settings), name, namespace };
}

/** A pod's labels for metrics, determined as in Istio. */
export function workloadInfo(pod: Pod): WorkloadInfo {
  const { labels, namespace, name } = pod.metadata;
  const workload = workloadName(pod);
  return {
    namespace,
    pod: name,
    workload,
    serviceAccount: pod.spec.serviceAccountName,
    app: labels["app"] ?? "",
    version: labels["version"] ?? "",
    canonicalService:
      labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? workload,
    canonicalRevision:
      labels["service.istio.io/canonical-revision"] ??
      labels["app.kubernetes.io/version"] ??
      labels["version"] ??
      "latest",
  };
}

/** A Deployment's pods belong to a ReplicaSet whose name ends in the template's hash. */
function workloadName(pod: Pod): string {
  const owner = pod.metadata.ownerReferences[0];
  if (owner === undefined) return pod.metadata.name;
  const hash = pod.metadata.labels["pod-template-hash"];
  const suffix = `-${hash}`;
  const isHashed = owner.kind === "ReplicaSet" && hash !== undefined && owner.name.endsWith(suffix);
  return isHashed ? owner.name.slice(0, -suffix.length) : owner.name;
}

/** A service without a selector selects no pods. */
export function selectsPod(service: Service, pod: Pod): boolean {
  const { selector } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0) return false;
  return service.metadata.namespace === pod.metadata.namespace && matchLabels(selector, pod.metadata.labels);
}

function isRunning(pod: Pod): boolean {
  const { podIP, phase } = pod.status;
  return podIP !== undefined && podIP !== "" && phase === "Running" && pod.metadata.deletionTimestamp === undefined;
}

function isUnready({ status }: Pod): boolean {
  return status.conditions.some((condition) => condition.type === "Ready" && condition.status === "False");
}
