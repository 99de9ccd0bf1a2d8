/** Which endpoints a Service has, and which Service ports lead to a pod. */
import { podAddresses } from "../resources/fields/pod-addresses.ts";
import { compareAge, formatResourceKey } from "../resources/fields/resource-names.ts";
import { MANAGED_BY_LABEL, SELECTOR_CONTROLLER, SERVICE_NAME_LABEL } from "../resources/fields/slice-labels.ts";
import type { EndpointSlice, SliceEndpoint } from "../resources/kinds/endpoint-slice.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { findReadyPods, findTcpPorts, resolveTargetPort, selectsPod } from "./workloads.ts";

export interface ServiceEndpoint {
  readonly ip: string;
  readonly port: number;
  /** `undefined`: the address is no pod of the mesh. */
  readonly pod: Pod | undefined;
}

/**
 * The endpoints of a Service's port that new connections may go to: those that its EndpointSlices list as ready, whoever
 * keeps them, and the ready pods that its selector picks. Where Kubernetes' own controller keeps the slices of the
 * selector's pods, they are the only source. An address that is a pod of the mesh is that pod, whatever lists it.
 * @returns `undefined`: nothing says where the Service's endpoints are
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
  const found = new Map<string, ServiceEndpoint>();
  const selected = isPicking && !isKept ? endpointsOfPods(findReadyPods(set, service), port) : [];
  const listed = slices.flatMap((slice) => endpointsOfSlice(set, slice, port));
  for (const endpoint of [...selected, ...listed]) {
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
 * The ports of the pod's namespace that lead to the pod, by a selector or by an EndpointSlice, the oldest Service's
 * first. Services of other namespaces do not count: who may write there has no say in what this pod's ports carry.
 */
export function findPortsOfPod(set: ResourceSet, pod: Pod): readonly PodServicePort[] {
  const services = set.index.servicesByNamespace.get(pod.metadata.namespace) ?? [];
  const listing = findSlicesOfPod(set, pod);
  return services.toSorted(compareAge).flatMap((service) => {
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

function findSlicesOfPod(set: ResourceSet, pod: Pod): readonly EndpointSlice[] {
  return podAddresses(pod).flatMap((ip) =>
    (set.index.slicesByIp.get(ip) ?? []).filter((slice) =>
      slice.endpoints.some(
        (endpoint) =>
          endpoint.addresses.some((address) => address.toLowerCase() === ip) &&
          identify(set, slice, endpoint, ip)?.pod === pod,
      ),
    ),
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

/** A pod that has no container port of the name that the Service points at is not an endpoint. */
function endpointsOfPods(pods: readonly Pod[], port: ServicePort): readonly ServiceEndpoint[] {
  return pods.flatMap((pod) => {
    const target = resolveTargetPort(port, pod);
    const ip = pod.status.podIP;
    return target === undefined || ip === undefined ? [] : [{ ip, port: target, pod }];
  });
}

/** Names (addressType FQDN) are not resolved, as in Istio. */
function endpointsOfSlice(set: ResourceSet, slice: EndpointSlice, port: ServicePort): readonly ServiceEndpoint[] {
  if (slice.addressType === "FQDN") return [];
  const ports = portsOfSlice(slice, port);
  return slice.endpoints
    .filter(({ conditions }) => conditions.ready)
    .flatMap((endpoint) =>
      endpoint.addresses.flatMap((ip) => {
        const identified = identify(set, slice, endpoint, ip);
        return identified === undefined ? [] : ports.map((number) => ({ ...identified, port: number }));
      }),
    );
}

/** A slice's port is the Service's port of the same name. One without a number stands for every port. */
function portsOfSlice(
  { ports }: EndpointSlice,
  { name = "", port, targetPort = port }: ServicePort,
): readonly number[] {
  return ports
    .filter((candidate) => candidate.protocol === "TCP" && candidate.name === name)
    .flatMap(({ port: number = targetPort }) => (typeof number === "number" ? [number] : []));
}

/**
 * Whose address it is. Where a pod is named, the address is that pod's or no endpoint: addresses are used again, and a pod
 * that is not known yet (its own event is still on its way) must not be sent to in plaintext meanwhile. Istio waits for
 * the pod likewise.
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
