import type { MeshSettings } from "../../mesh-settings.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import type { Service } from "../../resources/kinds/service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import type { HostTarget } from "../routing/host-target.ts";
import { decideMeshRoutes } from "../routing/mesh-routes.ts";
import { decideServedPort, findServedPorts } from "../served-ports.ts";
import { findServiceEndpoints } from "../service-endpoints.ts";
import type { AddressTarget, Destination, DestinationTarget, RefusedDestination } from "../types.ts";
import { findServiceByHost, findTcpPorts, formatServiceHost, matchLabels } from "../workloads.ts";
import { type Client, findDestinationRule, type MergedRule } from "./destination-rules.ts";
import { type Backend, decideMeshDestination } from "./mesh-destination.ts";

export interface DestinationInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly client: Client;
  readonly target: DestinationTarget;
}

/**
 * Resolves an outbound address, or a route's destination host, for one client. Pod addresses are resolved by workload,
 * so that headless services and direct calls get mutual TLS too. Anything that is required but not supported is refused
 * with a reason, never sent in plaintext. VirtualServices apply only to a service's address: a client that dials a pod
 * wants this pod.
 */
export function decideDestination(input: DestinationInput): Destination {
  return input.target.kind === "address" ? decideAddress(input, input.target) : decideHost(input, input.target);
}

function decideAddress(input: DestinationInput, target: AddressTarget): Destination {
  const { set, settings } = input;
  const ip = normalizeIp(target.ip);
  const service = set.index.serviceByIp.get(ip);
  if (service !== undefined) return decideService(input, { service, port: target.port, subset: "", clusterIp: ip });
  const pod = set.index.podByIp.get(ip);
  if (pod !== undefined) return decidePod(input, pod, { ip, port: target.port });
  if (settings.outboundTrafficPolicy === "ALLOW_ANY") return { kind: "passthrough" };
  return refused(
    `the address ${target.ip} port ${target.port} is not in the mesh's registry, and outboundTrafficPolicy is REGISTRY_ONLY`,
  );
}

function decideHost(input: DestinationInput, target: HostTarget): Destination {
  const service = followAlias(input, findServiceByHost(input, target.host));
  if (service === undefined) {
    return refused(
      `there is no service ${target.host}: use its full name, NAME.NAMESPACE.svc.${input.settings.clusterDomain}`,
    );
  }
  const { port, subset } = target;
  return decideService(input, { service, port, subset, clusterIp: findClusterIp(service) });
}

/** The maximum number of aliases of aliases. */
const MAX_ALIASES = 8;

/** The Service that an ExternalName Service refers to, if it is in the mesh; otherwise the Service itself. */
function followAlias(input: DestinationInput, service: Service | undefined): Service | undefined {
  let current = service;
  for (let followed = 0; followed < MAX_ALIASES && current?.spec.type === "ExternalName"; followed += 1) {
    const next = findServiceByHost(input, current.spec.externalName?.replace(/\.$/, "") ?? "");
    if (next === undefined) return current;
    current = next;
  }
  return current;
}

interface ServiceTarget {
  readonly service: Service;
  readonly port: number;
  readonly subset: string;
  readonly clusterIp: string | undefined;
}

function decideService(input: DestinationInput, target: ServiceTarget): Destination {
  const { service, port: number, subset: subsetName } = target;
  const host = formatServiceHost(service, input.settings);
  if (service.spec.type === "ExternalName")
    return refused(`${host} is an ExternalName service for a name outside the mesh, which is not supported`);
  const ports = findTcpPorts(service);
  const port = ports.find((candidate) => candidate.port === number);
  if (port === undefined) {
    const known = ports.length === 0 ? "none" : ports.map((candidate) => candidate.port).join(", ");
    return refused(`${host} has no TCP port ${number}; it has ${known}`);
  }
  const rule = findRule(input, host, service.metadata.namespace);
  const subset = rule?.subsets.find((candidate) => candidate.subset.name === subsetName)?.subset;
  if (subsetName !== "" && subset === undefined) {
    return refused(
      `no DestinationRule for ${host} has the subset ${JSON.stringify(subsetName)}: add it under spec.subsets`,
    );
  }
  const endpoints = findServiceEndpoints(input.set, service, port) ?? resolveByAddress(input.set, target);
  const backends = ofFamily(endpoints, target.clusterIp).filter(({ pod }) =>
    matchLabels(subset?.labels ?? {}, pod?.metadata.labels ?? {}),
  );
  return decideMeshDestination({
    ...input,
    host,
    port: number,
    subset: subsetName,
    rule,
    service,
    servicePort: port,
    backends,
    // Routes do not apply to a route's own destination.
    routes: input.target.kind === "host" ? [] : decideMeshRoutes({ ...input, host, port: number }),
  });
}

/** A pod's own address: resolved to the service that has this port, else to the pod's DNS name. */
function decidePod(
  input: DestinationInput,
  pod: Pod,
  address: { readonly ip: string; readonly port: number },
): Destination {
  const { namespace } = pod.metadata;
  const found = decideServedPort(findServedPorts(input.set, pod).get(address.port) ?? []);
  const host =
    found === undefined
      ? formatPodHost(pod, address.ip, input.settings)
      : formatServiceHost(found.service, input.settings);
  return decideMeshDestination({
    ...input,
    host,
    port: found?.port.port ?? address.port,
    subset: "",
    rule: findRule(input, host, namespace),
    service: found?.service,
    servicePort: found?.port,
    namespace,
    backends: [{ ...address, pod }],
  });
}

function findRule(
  { set, settings, client }: DestinationInput,
  host: string,
  namespace: string,
): MergedRule | undefined {
  return findDestinationRule({ set, settings, client, host, namespace });
}

/** A dual-stack service's endpoints of the dialled address's family, as kube-proxy selects them. */
function ofFamily(endpoints: readonly Backend[], clusterIp: string | undefined): readonly Backend[] {
  if (clusterIp === undefined) return endpoints;
  const same = endpoints.filter(({ ip }) => ip.includes(":") === clusterIp.includes(":"));
  return same.length > 0 ? same : endpoints;
}

/** A service with unknown endpoints is reached through its own address. */
function resolveByAddress(set: ResourceSet, { clusterIp, port }: ServiceTarget): readonly Backend[] {
  return clusterIp === undefined ? [] : [{ ip: clusterIp, port, pod: set.index.podByIp.get(clusterIp) }];
}

function findClusterIp(service: Service): string | undefined {
  const ip = service.spec.clusterIP;
  return ip === undefined || ip === "" || ip === "None" ? undefined : ip;
}

function formatPodHost(pod: Pod, ip: string, settings: MeshSettings): string {
  return `${ip.replaceAll(/[.:]/g, "-")}.${pod.metadata.namespace}.pod.${settings.clusterDomain}`;
}

/** A dual-stack socket reports IPv4 peers as `::ffff:10.0.0.7`. */
function normalizeIp(ip: string): string {
  return ip.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
}

function refused(reason: string): RefusedDestination {
  return { kind: "refused", reason };
}
