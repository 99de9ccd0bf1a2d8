import type { MeshSettings } from "../../mesh-settings.ts";
import { compareAge } from "../../resources/fields/resource-names.ts";
import type { VirtualService } from "../../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { type Client, expandHost, isExportedTo } from "../destinations/destination-rules.ts";
import { findVirtualServicesForHost } from "../host-lookup.ts";
import { compareHosts, mostSpecificHost } from "../match-host.ts";
import type { HttpRoute } from "./http-route.ts";
import { createHttpRoutes, MESH_GATEWAY } from "./http-routes.ts";

export interface MeshRoutesInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  /** The client workload. */
  readonly client: Client;
  /** The fully qualified host of the dialled service. */
  readonly host: string;
  readonly port: number;
}

/**
 * The routes of a sidecar's requests to a service. Only one VirtualService applies: the one with the most specific
 * host, and the oldest of several. Istio merges them for gateways, not for sidecars. If it has no route for this client
 * and port, the next one applies.
 */
export function decideMeshRoutes(input: MeshRoutesInput): readonly HttpRoute[] {
  for (const { virtualService } of findCandidates(input)) {
    const routes = createHttpRoutes({ ...input, virtualService, gateways: [MESH_GATEWAY] });
    if (routes.length > 0) return routes;
  }
  return [];
}

/** Whether a VirtualService applies to sidecars: it names the gateway `mesh`, or none. */
export function isForSidecars({ spec }: VirtualService): boolean {
  return spec.gateways.length === 0 || spec.gateways.includes(MESH_GATEWAY);
}

interface Candidate {
  readonly virtualService: VirtualService;
  /** Its most specific matching host. */
  readonly pattern: string;
}

/** Most specific host first, then oldest. */
function findCandidates({ set, settings, client, host }: MeshRoutesInput): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const virtualService of findVirtualServicesForHost(set.index, host, settings.clusterDomain)) {
    const { namespace } = virtualService.metadata;
    const { exportTo, hosts } = virtualService.spec;
    if (!isForSidecars(virtualService)) continue;
    const patterns = hosts.map((pattern) => expandHost(pattern, namespace, settings));
    const pattern = mostSpecificHost(patterns, host);
    // The client is read last: what reads nothing of it is decided once for all clients.
    if (pattern === undefined || !isExportedTo({ exportTo, owner: namespace, viewer: client.namespace })) continue;
    candidates.push({ virtualService, pattern });
  }
  return candidates.sort(
    (left, right) => compareHosts(left.pattern, right.pattern) || compareAge(left.virtualService, right.virtualService),
  );
}
