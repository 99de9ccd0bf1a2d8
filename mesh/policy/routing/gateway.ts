import type { MeshSettings } from "../../mesh-settings.ts";
import { compareAge, formatResourceKey } from "../../resources/fields/resource-names.ts";
import type { Gateway, GatewayServer } from "../../resources/kinds/gateway.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import type { VirtualService } from "../../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { expandHost, isExportedTo } from "../destinations/destination-rules.ts";
import { intersectHosts } from "../match-host.ts";
import { decideRequestRules } from "../request-authentication/request-rules.ts";
import type { TokenRulesInput } from "../request-authentication/select-token-rules.ts";
import { findPortsOfPod } from "../service-endpoints.ts";
import type { GatewayConfig, GatewayListener, VirtualHost } from "../types.ts";
import { matchLabels, workloadInfo } from "../workloads.ts";
import type { HttpMatch, HttpRoute } from "./http-route.ts";
import { createHttpRoutes, expandGatewayName } from "./http-routes.ts";

export interface GatewayInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly pod: Pod;
  readonly keySets?: TokenRulesInput["keySets"];
}

/**
 * The listeners of a gateway pod and where requests go: the Gateways of all namespaces whose selector matches the pod,
 * and the VirtualServices that name them. The hosts are the intersection of a server's and a VirtualService's.
 */
export function decideGateway(input: GatewayInput): GatewayConfig {
  const bound = bindToPodPorts(input, findServers(input));
  const podPorts = [...bound.keys()].sort((left, right) => left - right);
  return {
    workload: workloadInfo(input.pod),
    listeners: podPorts.map((podPort) => createListener(input, podPort, bound.get(podPort) ?? [])),
    ...decideRequestRules({ ...input, role: "gateway" }),
  };
}

/**
 * A server's port is that of the Service in front of the gateway, which may lead to another port of the pod, as in
 * Istio: so a gateway serves port 80 without the right to listen there. Without such a Service the numbers are equal.
 */
function bindToPodPorts(
  { set, pod }: GatewayInput,
  servers: readonly BoundServer[],
): ReadonlyMap<number, readonly BoundServer[]> {
  const bound = new Map<number, BoundServer[]>();
  const servicePorts = findPortsOfPod(set, pod);
  for (const server of servers) {
    const { number } = server.server.port;
    const targets = servicePorts.filter(({ port }) => port.port === number).map(({ target }) => target);
    for (const podPort of new Set(targets.length === 0 ? [number] : targets)) {
      bound.set(podPort, [...(bound.get(podPort) ?? []), server]);
    }
  }
  return bound;
}

/**
 * Why a server is ignored; undefined if it is served. Only plain HTTP is supported: a server with TLS must not be
 * served in plaintext.
 */
export function findServerFault(server: GatewayServer): string | undefined {
  if (server.port.protocol.toUpperCase() !== "HTTP") {
    return `protocol ${server.port.protocol} is not supported: the server is ignored; use HTTP`;
  }
  if (server.tls !== undefined)
    return "tls on an HTTP server (a redirect to HTTPS) is not supported: the server is ignored";
  return undefined;
}

interface BoundServer {
  readonly gateway: Gateway;
  readonly server: GatewayServer;
}

function findServers({ set, pod }: GatewayInput): readonly BoundServer[] {
  return [...set.gateways.values()]
    .filter((gateway) => matchLabels(gateway.spec.selector, pod.metadata.labels))
    .sort(compareAge)
    .flatMap((gateway) => gateway.spec.servers.map((server) => ({ gateway, server })))
    .filter(({ server }) => findServerFault(server) === undefined);
}

function createListener(input: GatewayInput, podPort: number, servers: readonly BoundServer[]): GatewayListener {
  const { namespace, labels } = input.pod.metadata;
  // The port that clients dial, which routes may match on.
  const port = Math.min(...servers.map(({ server }) => server.port.number));
  const routesByHost = new Map<string, HttpRoute[][]>();
  for (const virtualService of [...input.set.virtualServices.values()].sort(compareAge)) {
    const bound = servers.filter((server) => isBound(virtualService, server, input));
    if (bound.length === 0) continue;
    const gateways = bound.map(({ gateway }) => formatResourceKey(gateway.metadata.namespace, gateway.metadata.name));
    const routes = createHttpRoutes({ ...input, virtualService, client: { namespace, labels }, port, gateways });
    for (const host of commonHosts(virtualService, bound, input.settings)) {
      routesByHost.set(host, [...(routesByHost.get(host) ?? []), [...routes]]);
    }
  }
  const virtualHosts = [...routesByHost].map(
    ([host, groups]): VirtualHost => ({ hosts: [host], routes: mergeRoutes(groups) }),
  );
  return { port: podPort, virtualHosts };
}

function isBound(virtualService: VirtualService, { gateway }: BoundServer, { pod }: GatewayInput): boolean {
  const { namespace } = virtualService.metadata;
  const { name, namespace: owner } = gateway.metadata;
  const isNamed = virtualService.spec.gateways.some(
    (candidate) => expandGatewayName(candidate, namespace) === formatResourceKey(owner, name),
  );
  const { exportTo } = virtualService.spec;
  return isNamed && isExportedTo({ exportTo, owner: namespace, viewer: pod.metadata.namespace });
}

function commonHosts(
  virtualService: VirtualService,
  servers: readonly BoundServer[],
  settings: MeshSettings,
): ReadonlySet<string> {
  const { namespace } = virtualService.metadata;
  const hosts = virtualService.spec.hosts.map((host) => expandHost(host, namespace, settings));
  const common = servers.flatMap(({ gateway, server }) =>
    server.hosts
      .filter((pattern) => admitsNamespace(pattern, namespace, gateway.metadata.namespace))
      .flatMap((pattern) => hosts.map((host) => intersectHosts(pattern.slice(pattern.indexOf("/") + 1), host))),
  );
  return new Set(common.filter((host) => host !== undefined));
}

/** `NAMESPACE/host` allows only VirtualServices of that namespace; `./host` those of the gateway's own. */
function admitsNamespace(pattern: string, namespace: string, gatewayNamespace: string): boolean {
  const slash = pattern.indexOf("/");
  const admitted = slash < 0 ? "*" : pattern.slice(0, slash);
  if (admitted === "*") return true;
  return namespace === (admitted === "." ? gatewayNamespace : admitted);
}

/**
 * Merges VirtualServices of one host: oldest first, but routes that match everything come last, so that they do not
 * hide others.
 */
function mergeRoutes(groups: readonly (readonly HttpRoute[])[]): readonly HttpRoute[] {
  const routes = groups.flat();
  if (groups.length < 2) return routes;
  const isCatchAll = (route: HttpRoute) => route.matches.every(isEmptyMatch);
  return [...routes.filter((route) => !isCatchAll(route)), ...routes.filter(isCatchAll)];
}

/** Matches every request: the prefix `/` or the regex `.*` and nothing else, as in Istio. */
function isEmptyMatch({ uri, scheme, method, authority, headers, withoutHeaders, queryParams }: HttpMatch): boolean {
  const isForAnyPath =
    uri === undefined || (uri.kind === "prefix" && uri.value === "/") || (uri.kind === "regex" && uri.value === ".*");
  const named = headers.length + withoutHeaders.length + queryParams.length;
  return isForAnyPath && named === 0 && (scheme ?? method ?? authority) === undefined;
}
