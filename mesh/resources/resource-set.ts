import { applyResource } from "./apply-resource.ts";
import { indexSlices } from "./endpoint-slices.ts";
import { podAddresses } from "./fields/pod-addresses.ts";
import { formatResourceKey } from "./fields/resource-names.ts";
import type { Resource, ResourceKind, ResourceOf } from "./resource.ts";

/**
 * One immutable state of the whole configuration. The keys of the maps are `NAMESPACE/NAME` (cluster-wide kinds: only
 * the name), in the order in which resources first occurred.
 */
export interface ResourceSet {
  readonly namespaces: ReadonlyMap<string, ResourceOf<"Namespace">>;
  readonly pods: ReadonlyMap<string, ResourceOf<"Pod">>;
  readonly services: ReadonlyMap<string, ResourceOf<"Service">>;
  readonly endpointSlices: ReadonlyMap<string, ResourceOf<"EndpointSlice">>;
  readonly endpoints: ReadonlyMap<string, ResourceOf<"Endpoints">>;
  readonly deployments: ReadonlyMap<string, ResourceOf<"Deployment">>;
  readonly serviceAccounts: ReadonlyMap<string, ResourceOf<"ServiceAccount">>;
  readonly meshPolicies: ReadonlyMap<string, ResourceOf<"MeshPolicy">>;
  readonly policies: ReadonlyMap<string, ResourceOf<"Policy">>;
  readonly peerAuthentications: ReadonlyMap<string, ResourceOf<"PeerAuthentication">>;
  readonly destinationRules: ReadonlyMap<string, ResourceOf<"DestinationRule">>;
  readonly virtualServices: ReadonlyMap<string, ResourceOf<"VirtualService">>;
  readonly gateways: ReadonlyMap<string, ResourceOf<"Gateway">>;
  readonly index: ResourceIndex;
}

/** Lookups that decisions repeat, derived from the maps. */
export interface ResourceIndex {
  readonly podsByNamespace: ReadonlyMap<string, readonly ResourceOf<"Pod">[]>;
  /** Pods with this address that are not finished (Succeeded or Failed): addresses are reused. */
  readonly podByIp: ReadonlyMap<string, ResourceOf<"Pod">>;
  readonly servicesByNamespace: ReadonlyMap<string, readonly ResourceOf<"Service">[]>;
  readonly serviceByIp: ReadonlyMap<string, ResourceOf<"Service">>;
  /** The EndpointSlices of each Service, by its key. Endpoints of Services without a selector count as slices. */
  readonly slicesByService: ReadonlyMap<string, readonly ResourceOf<"EndpointSlice">[]>;
  /** The EndpointSlices that list an address. */
  readonly slicesByIp: ReadonlyMap<string, readonly ResourceOf<"EndpointSlice">[]>;
}

/**
 * Combines resources. One that occurs again is applied over its earlier version, as with `kubectl apply` and `kubectl
 * label`: labels and annotations are merged, and the specification is replaced if there is a new one.
 */
export function createResourceSet(resources: readonly Resource[]): ResourceSet {
  const all = new Map<string, Resource>();
  for (const resource of resources) {
    const key = `${resource.kind}/${resourceKey(resource)}`;
    const earlier = all.get(key);
    all.set(key, earlier === undefined ? resource : applyResource(earlier, resource));
  }
  const ofKind = <Kind extends ResourceKind>(kind: Kind): ReadonlyMap<string, ResourceOf<Kind>> => {
    const found = new Map<string, ResourceOf<Kind>>();
    for (const resource of all.values()) if (isOfKind(resource, kind)) found.set(resourceKey(resource), resource);
    return found;
  };
  const pods = ofKind("Pod");
  const services = ofKind("Service");
  const endpointSlices = ofKind("EndpointSlice");
  const endpoints = ofKind("Endpoints");
  return {
    namespaces: ofKind("Namespace"),
    pods,
    services,
    endpointSlices,
    endpoints,
    deployments: ofKind("Deployment"),
    serviceAccounts: ofKind("ServiceAccount"),
    meshPolicies: ofKind("MeshPolicy"),
    policies: ofKind("Policy"),
    peerAuthentications: ofKind("PeerAuthentication"),
    destinationRules: ofKind("DestinationRule"),
    virtualServices: ofKind("VirtualService"),
    gateways: ofKind("Gateway"),
    index: {
      ...indexPods(pods),
      ...indexServices(services),
      ...indexSlices({ endpointSlices, endpoints, services }),
    },
  };
}

function indexPods(pods: ResourceSet["pods"]): Pick<ResourceIndex, "podByIp" | "podsByNamespace"> {
  const podByIp = new Map<string, ResourceOf<"Pod">>();
  for (const pod of pods.values()) {
    if (pod.status.phase === "Succeeded" || pod.status.phase === "Failed" || pod.spec.hostNetwork === true) continue;
    for (const ip of podAddresses(pod)) {
      const isSuperseded = pod.metadata.deletionTimestamp !== undefined && podByIp.has(ip);
      if (!isSuperseded) podByIp.set(ip, pod);
    }
  }
  return { podsByNamespace: groupByNamespace(pods.values()), podByIp };
}

function indexServices(services: ResourceSet["services"]): Pick<ResourceIndex, "serviceByIp" | "servicesByNamespace"> {
  const serviceByIp = new Map<string, ResourceOf<"Service">>();
  for (const service of services.values()) for (const ip of serviceIps(service)) serviceByIp.set(ip, service);
  return { servicesByNamespace: groupByNamespace(services.values()), serviceByIp };
}

function groupByNamespace<Grouped extends Resource>(resources: Iterable<Grouped>): Map<string, readonly Grouped[]> {
  const groups = new Map<string, Grouped[]>();
  for (const resource of resources) {
    const { namespace } = resource.metadata;
    const group = groups.get(namespace);
    if (group === undefined) groups.set(namespace, [resource]);
    else group.push(resource);
  }
  return groups;
}

function serviceIps(service: ResourceOf<"Service">): readonly string[] {
  const all = [service.spec.clusterIP ?? "", ...(service.spec.clusterIPs ?? [])];
  return all.filter((ip) => ip !== "" && ip !== "None");
}

function resourceKey(resource: Resource): string {
  const { name, namespace } = resource.metadata;
  return namespace === "" ? name : formatResourceKey(namespace, name);
}

function isOfKind<Kind extends ResourceKind>(resource: Resource, kind: Kind): resource is ResourceOf<Kind> {
  return resource.kind === kind;
}
