import { expandHost } from "../policy/destinations/destination-rules.ts";
import { matchHost } from "../policy/match-host.ts";
import { findServerFault } from "../policy/routing/gateway.ts";
import { expandGatewayName, findRouteFault, MESH_GATEWAY, resolveRouteTarget } from "../policy/routing/http-routes.ts";
import { isForSidecars } from "../policy/routing/mesh-routes.ts";
import { parseRetryOn } from "../policy/routing/retry-on.ts";
import { findServiceByHost, findTcpPorts } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import type { FindingName } from "../resources/finding-codes.ts";
import type { HttpRouteSpec, RouteDestination, VirtualService } from "../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { findMeshRouteProblems } from "./analyze-mesh-routes.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Gateways and VirtualServices with unsupported settings, or that name missing resources. */
export function findRoutingProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  return [
    ...findUnservedServers(set),
    ...[...set.virtualServices.values()].flatMap((virtualService) => [
      ...findMissingGateways(set, virtualService),
      ...findMissingDestinations(set, settings, virtualService),
      ...findRouteProblems(virtualService),
    ]),
    ...findMeshRouteProblems(set, settings),
  ];
}

function findUnservedServers(set: ResourceSet): readonly ConfigProblem[] {
  return [...set.gateways.values()].flatMap((gateway) =>
    gateway.spec.servers.flatMap((server, index) => {
      const fault = findServerFault(server);
      if (fault === undefined) return [];
      return [
        createResourceWarning(
          { resource: gateway, finding: "UnsupportedSetting", field: `spec.servers[${index}]` },
          fault,
        ),
      ];
    }),
  );
}

function findMissingGateways(set: ResourceSet, virtualService: VirtualService): readonly ConfigProblem[] {
  const { namespace } = virtualService.metadata;
  return virtualService.spec.gateways.flatMap((name, index) => {
    const full = expandGatewayName(name, namespace);
    if (full === MESH_GATEWAY || set.gateways.has(full)) return [];
    const message = `there is no Gateway ${full}: use NAMESPACE/NAME if it is in another namespace`;
    return [
      createResourceWarning(
        { resource: virtualService, finding: "ReferencedResourceNotFound", field: `spec.gateways[${index}]` },
        message,
      ),
    ];
  });
}

/** Routes that cannot be served, or only in part. */
function findRouteProblems(virtualService: VirtualService): readonly ConfigProblem[] {
  const isForGateways = virtualService.spec.gateways.some((name) => name !== MESH_GATEWAY);
  return virtualService.spec.http.flatMap((route, index) => {
    const field = `spec.http[${index}]`;
    const fault = findRouteFault(route);
    return [
      ...(fault === undefined
        ? []
        : [
            createResourceWarning(
              { resource: virtualService, finding: "UnusableRoute", field },
              `${fault}: requests receive 503`,
            ),
          ]),
      ...findRetryProblems(route, isForGateways).map(([name, message]) =>
        createResourceWarning(
          { resource: virtualService, finding: "UnsupportedSetting", field: `${field}.${name}` },
          message,
        ),
      ),
    ];
  });
}

function findRetryProblems({ retries }: HttpRouteSpec, isForGateways: boolean): readonly [string, string][] {
  if (retries === undefined || retries.attempts === 0) return [];
  const problems: [string, string][] = [];
  const { unsupported } = parseRetryOn(retries.retryOn);
  if (unsupported.length > 0)
    problems.push(["retries.retryOn", `${unsupported.join(", ")} is not supported and has no effect`]);
  if (isForGateways) {
    problems.push(["retries", "gateways retry only requests without a body and with an idempotent method"]);
  }
  return problems;
}

function findMissingDestinations(
  set: ResourceSet,
  settings: AnalysisSettings,
  virtualService: VirtualService,
): readonly ConfigProblem[] {
  return virtualService.spec.http.flatMap((route, index) =>
    route.route.flatMap(({ destination }, position) => {
      const fault = findDestinationFault({ set, settings, virtualService }, destination);
      const field = `spec.http[${index}].route[${position}].destination`;
      if (fault === undefined) return [];
      const { finding, message } = fault;
      return [createResourceWarning({ resource: virtualService, finding, field }, message)];
    }),
  );
}

interface RouteContext {
  readonly set: ResourceSet;
  readonly settings: AnalysisSettings;
  readonly virtualService: VirtualService;
}

interface DestinationFault {
  readonly finding: FindingName;
  readonly message: string;
}

function findDestinationFault(context: RouteContext, destination: RouteDestination): DestinationFault | undefined {
  const { set, settings, virtualService } = context;
  const host = expandHost(destination.host, virtualService.metadata.namespace, settings);
  const service = findServiceByHost(context, host);
  if (service === undefined) {
    return notFound(
      `there is no service ${host}: requests receive 503; use NAME.NAMESPACE.svc.${settings.clusterDomain}`,
    );
  }
  const target = resolveRouteTarget(context, destination);
  if ("fault" in target) {
    if (!keepsDialledPort(context, host)) {
      return { finding: "VirtualServiceDestinationPortSelectorRequired", message: target.fault };
    }
  } else if (!findTcpPorts(service).some((port) => port.port === target.port)) {
    return notFound(`${host} has no port ${target.port}`);
  }
  const { subset } = destination;
  if (subset === undefined || hasSubset(set, settings, { host, subset })) return undefined;
  return notFound(`no DestinationRule for ${host} has the subset ${subset}: requests receive 503`);
}

function notFound(message: string): DestinationFault {
  return { finding: "ReferencedResourceNotFound", message };
}

/** A sidecar keeps the port that the client dialled if the route's target is the same service. */
function keepsDialledPort({ settings, virtualService }: RouteContext, host: string): boolean {
  const { spec, metadata } = virtualService;
  const hosts = spec.hosts.map((name) => expandHost(name, metadata.namespace, settings));
  return isForSidecars(virtualService) && hosts.includes(host);
}

function hasSubset(
  set: ResourceSet,
  settings: AnalysisSettings,
  wanted: { readonly host: string; readonly subset: string },
): boolean {
  return [...set.destinationRules.values()].some(
    (rule) =>
      matchHost(expandHost(rule.spec.host, rule.metadata.namespace, settings), wanted.host) &&
      rule.spec.subsets.some((subset) => subset.name === wanted.subset),
  );
}
