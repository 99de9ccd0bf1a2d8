import type { MeshSettings } from "../../mesh-settings.ts";
import { compareAge } from "../../resources/fields/resource-names.ts";
import type { VirtualService } from "../../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { type Client, expandHost, isExportedTo } from "../destinations/destination-rules.ts";
import { compareHosts, mostSpecificHost } from "../match-host.ts";
import type { HttpRoute } from "./http-route.ts";
import { createHttpRoutes, MESH_GATEWAY } from "./http-routes.ts";

export interface MeshRoutesInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  /** Who asks. */
  readonly client: Client;
  /** Of the service that is asked for, fully qualified. */
  readonly host: string;
  readonly port: number;
}

/**
 * The routes that a sidecar's requests to a service take. The VirtualService with the closest host decides, the oldest of
 * several, alone: Istio merges them for gateways, not for sidecars. One that has no route for this client and port does
 * not speak, so that the next one may.
 */
export function decideMeshRoutes(input: MeshRoutesInput): readonly HttpRoute[] {
  for (const { virtualService } of findCandidates(input)) {
    const routes = createHttpRoutes({ ...input, virtualService, gateways: [MESH_GATEWAY] });
    if (routes.length > 0) return routes;
  }
  return [];
}

/** Whether a VirtualService routes what sidecars send: it names the gateway `mesh`, or none. */
export function isForSidecars({ spec }: VirtualService): boolean {
  return spec.gateways.length === 0 || spec.gateways.includes(MESH_GATEWAY);
}

interface Candidate {
  readonly virtualService: VirtualService;
  /** The closest of its hosts. */
  readonly pattern: string;
}

/** Closest host first, then oldest. */
function findCandidates({ set, settings, client, host }: MeshRoutesInput): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const virtualService of set.virtualServices.values()) {
    const { namespace } = virtualService.metadata;
    const { exportTo, hosts } = virtualService.spec;
    if (!isForSidecars(virtualService) || !isExportedTo({ exportTo, owner: namespace, viewer: client.namespace })) {
      continue;
    }
    const patterns = hosts.map((pattern) => expandHost(pattern, namespace, settings));
    const pattern = mostSpecificHost(patterns, host);
    if (pattern !== undefined) candidates.push({ virtualService, pattern });
  }
  return candidates.sort(
    (left, right) => compareHosts(left.pattern, right.pattern) || compareAge(left.virtualService, right.virtualService),
  );
}
