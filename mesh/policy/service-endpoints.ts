/** The endpoints of a Service, and the Service ports that lead to a pod. */
import { podAddresses } from "../resources/fields/pod-addresses.ts";
import { compareAge, formatResourceKey, formatSelectorKey } from "../resources/fields/resource-names.ts";
import { MANAGED_BY_LABEL, SELECTOR_CONTROLLER, SERVICE_NAME_LABEL } from "../resources/fields/slice-labels.ts";
import type { EndpointSlice, SliceEndpoint } from "../resources/kinds/endpoint-slice.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { findReadyPods, findTcpPorts, resolveTargetPort, selectsPod } from "./workloads.ts";

export interface ServiceEndpoint {
  readonly ip: string;
  readonly port: number;
  /** `undefined`: the address does not belong to a pod of the mesh. */
  readonly pod: Pod | undefined;
}

/**
 * The endpoints of a Service's port for new connections: those that its EndpointSlices list as ready, whichever controller manages
 * them, and the ready pods that its selector selects. If Kubernetes' own controller manages the slices of the selected
 * pods, these are the only source. An address of a mesh pod resolves to that pod, wherever it is listed.
 * @returns `undefined` if the endpoints are unknown
 */
export function findServiceEndpoints(
  set: ResourceSet,
  service: Service,
  port: ServicePort,
): readonly ServiceEndpoint[] | undefined {
  const slices = slicesOf(set, service);
  const isPicking = Object.keys(service.spec.selector ?? {}).length > 0;
  if (!isPicking && slices.length === 0) return undefined;
  const isKept = slices.some(({ metadata }) => metadata.labels[MANAGED_BY_LABEL] === SELECTOR_CONTROLLER);
  const selected = isPicking && !isKept ? endpointsOfPods(findReadyPods(set, service), port) : [];
  const listed = (isUsed: (endpoint: SliceEndpoint) => boolean): readonly ServiceEndpoint[] =>
    slices.flatMap((slice) => endpointsOfSlice(set, { slice, port, isUsed }));
  const ready = [...selected, ...listed(({ conditions }) => conditions.ready)];
  return withoutRepetitions(ready.length > 0 ? ready : listed(isServingToItsEnd));
}

/**
 * A pod that ends and can still respond. It is used if the Service has no ready endpoint, as kube-proxy does
 * (CategorizeEndpoints): a request to it gets a response, one without an endpoint does not.
 */
function isServingToItsEnd({ conditions: { ready, serving = ready, terminating } }: SliceEndpoint): boolean {
  return serving && terminating;
}

function withoutRepetitions(endpoints: readonly ServiceEndpoint[]): readonly ServiceEndpoint[] {
  const found = new Map<string, ServiceEndpoint>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.ip}|${endpoint.port}`;
    if (!found.has(key)) found.set(key, endpoint);
  }
  return [...found.values()];
}

/** A Service's port that leads to a pod. */
export interface PodServicePort {
  readonly service: Service;
  readonly port: ServicePort;
  /** The pod's own port. */
  readonly target: number;
}

/**
 * The Service ports in the pod's namespace that lead to the pod, by a selector or by an EndpointSlice, the oldest
 * Service first. Services of other namespaces are ignored: their owners must not influence how this pod's ports are
 * served.
 */
export function findPortsOfPod(set: ResourceSet, pod: Pod): readonly PodServicePort[] {
  const listing = findSlicesOfPod(set, pod);
  return findServicesOfPod(set, pod, listing).flatMap((service) => {
    const slices = listing.filter((slice) => belongsTo(slice, service));
    return findTcpPorts(service).flatMap((port) =>
      targetsInPod({ service, port, pod, slices }).map((target) => ({ service, port, target })),
    );
  });
}

interface PodPort {
  readonly service: Service;
  readonly port: ServicePort;
  readonly pod: Pod;
  /** The service's slices that list the pod. */
  readonly slices: readonly EndpointSlice[];
}

function targetsInPod({ service, port, pod, slices }: PodPort): readonly number[] {
  const selected = selectsPod(service, pod) ? resolveTargetPort(port, pod) : undefined;
  const listed = slices.flatMap((slice) => portsOfSlice(slice, port));
  return [...new Set([...(selected === undefined ? [] : [selected]), ...listed])];
}

/** Services that may lead to the pod, the oldest first: by their selector, or by slices that list it. */
function findServicesOfPod(set: ResourceSet, pod: Pod, listing: readonly EndpointSlice[]): readonly Service[] {
  const { namespace, labels } = pod.metadata;
  const selecting = Object.entries(labels).flatMap(
    ([label, value]) => set.index.servicesBySelector.get(formatSelectorKey(namespace, label, value)) ?? [],
  );
  const names = listing.map(({ metadata }) => metadata.labels[SERVICE_NAME_LABEL] ?? "");
  const listed = names.flatMap((name) => set.services.get(formatResourceKey(namespace, name)) ?? []);
  return [...new Set([...selecting, ...listed])].sort(compareAge);
}

/** In the pod's namespace. */
function findSlicesOfPod(set: ResourceSet, pod: Pod): readonly EndpointSlice[] {
  return podAddresses(pod).flatMap((ip) =>
    (set.index.serviceKeysByIp.get(ip) ?? [])
      .flatMap((key) => set.index.slicesByService.get(key) ?? [])
      .filter((slice) => slice.metadata.namespace === pod.metadata.namespace && listsPod(set, slice, { pod, ip })),
  );
}

function listsPod(
  set: ResourceSet,
  slice: EndpointSlice,
  { pod, ip }: { readonly pod: Pod; readonly ip: string },
): boolean {
  return slice.endpoints.some(
    (endpoint) =>
      endpoint.addresses.some((address) => address.toLowerCase() === ip) &&
      identify(set, slice, endpoint, ip)?.pod === pod,
  );
}

function belongsTo({ metadata }: EndpointSlice, service: Service): boolean {
  return (
    metadata.labels[SERVICE_NAME_LABEL] === service.metadata.name && metadata.namespace === service.metadata.namespace
  );
}

function slicesOf(set: ResourceSet, { metadata }: Service): readonly EndpointSlice[] {
  return set.index.slicesByService.get(formatResourceKey(metadata.namespace, metadata.name)) ?? [];
}

/** A pod without a container port of the Service's target port name is not an endpoint. */
function endpointsOfPods(pods: readonly Pod[], port: ServicePort): readonly ServiceEndpoint[] {
  return pods.flatMap((pod) => {
    const target = resolveTargetPort(port, pod);
    const ip = pod.status.podIP;
    return target === undefined || ip === undefined ? [] : [{ ip, port: target, pod }];
  });
}

interface ListedEndpoints {
  readonly slice: EndpointSlice;
  readonly port: ServicePort;
  readonly isUsed: (endpoint: SliceEndpoint) => boolean;
}

/** Host names (addressType FQDN) are not resolved, as in Istio. */
function endpointsOfSlice(set: ResourceSet, { slice, port, isUsed }: ListedEndpoints): readonly ServiceEndpoint[] {
  if (slice.addressType === "FQDN") return [];
  const ports = portsOfSlice(slice, port);
  return slice.endpoints.filter(isUsed).flatMap((endpoint) =>
    endpoint.addresses.flatMap((ip) => {
      const identified = identify(set, slice, endpoint, ip);
      return identified === undefined ? [] : ports.map((number) => ({ ...identified, port: number }));
    }),
  );
}

/** A slice's port belongs to the Service's port of the same name. One without a number applies to every port. */
function portsOfSlice(
  { ports }: EndpointSlice,
  { name = "", port, targetPort = port }: ServicePort,
): readonly number[] {
  return ports
    .filter((candidate) => candidate.protocol === "TCP" && candidate.name === name)
    .flatMap(({ port: number = targetPort }) => (typeof number === "number" ? [number] : []));
}

/**
 * The pod that an address belongs to. If the slice refers to a pod, the address is that pod's or not an endpoint:
 * addresses are reused, and a pod that is still unknown (its event has not arrived) must not receive plaintext. Istio
 * waits for the pod, too.
 */
function identify(
  set: ResourceSet,
  slice: EndpointSlice,
  { targetRef }: SliceEndpoint,
  address: string,
): Pick<ServiceEndpoint, "ip" | "pod"> | undefined {
  const ip = address.toLowerCase();
  const holder = set.index.podByIp.get(ip);
  if (targetRef?.kind !== "Pod" || targetRef.name === undefined) return { ip, pod: holder };
  const named = set.pods.get(formatResourceKey(targetRef.namespace ?? slice.metadata.namespace, targetRef.name));
  const isSame =
    named !== undefined &&
    podAddresses(named).includes(ip) &&
    (targetRef.uid === undefined || named.metadata.uid === undefined || targetRef.uid === named.metadata.uid);
  return isSame && (holder === undefined || holder === named) ? { ip, pod: named } : undefined;
}
