import { expandHost } from "../../mesh/policy/destinations/destination-rules.ts";
import { matchHost } from "../../mesh/policy/match-host.ts";
import { expandGatewayName, MESH_GATEWAY } from "../../mesh/policy/routing/http-routes.ts";
import { decideMeshRoutes, isForSidecars } from "../../mesh/policy/routing/mesh-routes.ts";
import { findTcpPorts, formatServiceHost } from "../../mesh/policy/workloads.ts";
import { compareAge, formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Service } from "../../mesh/resources/kinds/service.ts";
import type { VirtualService } from "../../mesh/resources/kinds/virtual-service.ts";
import type { TlsFacts } from "../tls/tls-table.ts";

/** A VirtualService that concerns a service. */
export interface RouteDescription {
  readonly rule: string;
  readonly hosts: readonly string[];
  /** `Gateway/NAME.NAMESPACE`; `mesh` for sidecars. */
  readonly gateways: readonly string[];
  /** Its routes that lead to the service. */
  readonly routes: readonly number[];
  /** For sidecars of the service's own namespace; absent if the VirtualService is not for sidecars or another host. */
  readonly isUsedBySidecars?: boolean;
}

/** The VirtualServices that route a service's requests or that lead to it, oldest first. */
export function describeRoutes(facts: TlsFacts, service: Service): readonly RouteDescription[] {
  const host = formatServiceHost(service, facts.settings);
  const used = findUsed(facts, service, host);
  return [...facts.set.virtualServices.values()].sort(compareAge).flatMap((virtualService) => {
    const routes = routesTo(virtualService, host, facts);
    const isForHost = isForSidecars(virtualService) && hasHost(virtualService, host, facts);
    if (routes.length === 0 && !isForHost) return [];
    const rule = formatResourceName(virtualService);
    return [
      {
        rule,
        hosts: virtualService.spec.hosts,
        gateways: gatewaysOf(virtualService),
        routes,
        ...(isForHost ? { isUsedBySidecars: used.has(rule) } : {}),
      },
    ];
  });
}

/** The VirtualServices whose routes a sidecar of the service's namespace receives. */
function findUsed({ set, settings }: TlsFacts, service: Service, host: string): ReadonlySet<string> {
  const client = { namespace: service.metadata.namespace, labels: {} };
  const routes = findTcpPorts(service).flatMap(({ port }) => decideMeshRoutes({ set, settings, client, host, port }));
  // A route is named after its VirtualService and its index.
  return new Set(routes.map(({ name }) => name.slice(0, name.lastIndexOf("["))));
}

function routesTo({ spec, metadata }: VirtualService, host: string, { settings }: TlsFacts): readonly number[] {
  return spec.http.flatMap(({ route }, index) =>
    route.some(({ destination }) => expandHost(destination.host, metadata.namespace, settings) === host) ? [index] : [],
  );
}

function hasHost({ spec, metadata }: VirtualService, host: string, { settings }: TlsFacts): boolean {
  return spec.hosts.some((pattern) => matchHost(expandHost(pattern, metadata.namespace, settings), host));
}

function gatewaysOf({ spec, metadata }: VirtualService): readonly string[] {
  const names = spec.gateways.length === 0 ? [MESH_GATEWAY] : spec.gateways;
  return names.map((name) => {
    if (name === MESH_GATEWAY) return name;
    const [namespace = "", short = ""] = expandGatewayName(name, metadata.namespace).split("/");
    return formatResourceName({ kind: "Gateway", metadata: { name: short, namespace } });
  });
}
