import { carriesRequests, declaredProtocol } from "../policy/declared-protocol.ts";
import { expandHost, isExportedTo } from "../policy/destinations/destination-rules.ts";
import { matchHost } from "../policy/match-host.ts";
import { isForSidecars } from "../policy/routing/mesh-routes.ts";
import { findTcpPorts, formatServiceHost } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { compareAge, formatResourceName } from "../resources/fields/resource-names.ts";
import type { Service } from "../resources/kinds/service.ts";
import type { VirtualService } from "../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** VirtualServices for sidecars that no request uses, or that behave in an unexpected way. */
export function findMeshRouteProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  const forSidecars = [...set.virtualServices.values()].filter(isForSidecars).sort(compareAge);
  const services = [...set.services.values()].map((service) => ({
    service,
    host: formatServiceHost(service, settings),
  }));
  return [
    ...forSidecars.flatMap((virtualService) => findUnroutedHosts(virtualService, services, settings)),
    ...findConflicts(forSidecars, settings),
  ];
}

interface HostedService {
  readonly service: Service;
  readonly host: string;
}

function findUnroutedHosts(
  virtualService: VirtualService,
  services: readonly HostedService[],
  settings: AnalysisSettings,
): readonly ConfigProblem[] {
  const { namespace } = virtualService.metadata;
  const { hosts } = virtualService.spec;
  const covered = hosts.map((host) => {
    const pattern = expandHost(host, namespace, settings);
    return { pattern, found: services.filter((service) => matchHost(pattern, service.host)) };
  });
  if (covered.every(({ found }) => found.length === 0)) {
    const names = covered.map(({ pattern }) => pattern).join(", ");
    const message = `no service has the host ${names}, so sidecars do not use this route: write NAME.NAMESPACE.svc.${settings.clusterDomain}`;
    return [
      createResourceWarning(
        { resource: virtualService, finding: "ReferencedResourceNotFound", field: "spec.hosts" },
        message,
      ),
    ];
  }
  return covered.flatMap(({ pattern, found }, index) => {
    const [only] = found;
    const fault = only?.host === pattern ? findServiceFault(only.service, pattern) : undefined;
    if (fault === undefined) return [];
    return [
      createResourceWarning(
        { resource: virtualService, finding: "IneffectiveRoute", field: `spec.hosts[${index}]` },
        fault,
      ),
    ];
  });
}

function findServiceFault(service: Service, host: string): string | undefined {
  if (service.spec.clusterIP === "None") {
    return `${host} is headless: its clients connect to a pod, and sidecars do not route requests to a pod's address`;
  }
  const ports = findTcpPorts(service).map(declaredProtocol);
  if (ports.some((protocol) => protocol === undefined || carriesRequests(protocol))) return undefined;
  return `${host} has no port that carries requests (HTTP or gRPC): sidecars forward its bytes without routing them`;
}

/** Sidecars use one VirtualService per host; a later one applies only if the first has no route for a client. */
function findConflicts(oldestFirst: readonly VirtualService[], settings: AnalysisSettings): readonly ConfigProblem[] {
  return oldestFirst.flatMap((virtualService, index) => {
    const { namespace } = virtualService.metadata;
    const hosts = fullHosts(virtualService, settings);
    const conflicting = oldestFirst
      .slice(0, index)
      .find((older) => isSeenFrom(older, namespace) && fullHosts(older, settings).some((host) => hosts.includes(host)));
    if (conflicting === undefined) return [];
    const message = `sidecars use ${formatResourceName(conflicting)}, which is older and has the same host: merge them`;
    return [
      createResourceWarning(
        {
          resource: virtualService,
          finding: "ConflictingMeshGatewayVirtualServiceHosts",
          field: "spec.hosts",
          other: conflicting,
        },
        message,
      ),
    ];
  });
}

function fullHosts({ spec, metadata }: VirtualService, settings: AnalysisSettings): readonly string[] {
  return spec.hosts.map((host) => expandHost(host, metadata.namespace, settings));
}

function isSeenFrom({ spec, metadata }: VirtualService, viewer: string): boolean {
  return isExportedTo({ exportTo: spec.exportTo, owner: metadata.namespace, viewer });
}
