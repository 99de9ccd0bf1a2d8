import type { MeshSettings } from "../../mesh-settings.ts";
import { formatResourceKey, formatResourceName } from "../../resources/fields/resource-names.ts";
import { isHarmlessRouteField } from "../../resources/fields/route-fields.ts";
import type {
  HttpMatchSpec,
  HttpRouteSpec,
  RouteDestination,
  RouteTargetSpec,
  VirtualService,
} from "../../resources/kinds/virtual-service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { type Client, expandHost } from "../destinations/destination-rules.ts";
import { findServiceByHost, findTcpPorts, matchLabels } from "../workloads.ts";
import type { HeaderMatch, HttpMatch, HttpRoute, StringMatch, WeightedTarget } from "./http-route.ts";
import {
  createFault,
  createHeaderOperations,
  createRedirect,
  createRetries,
  createRewrite,
  findAuthority,
  findVariable,
} from "./route-actions.ts";

/** The gateway name that represents all sidecars. */
export const MESH_GATEWAY = "mesh";

export interface HttpRoutesInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly virtualService: VirtualService;
  /** The workload whose requests are routed: a sidecar's pod, or the gateway's. */
  readonly client: Client;
  /** The requested port: the listener's, or the service's. */
  readonly port: number;
  /** `NAMESPACE/NAME` of the serving gateways, or `mesh`. */
  readonly gateways: readonly string[];
}

/** The routes of a VirtualService for one listener, without those whose matches are all for others. */
export function createHttpRoutes(input: HttpRoutesInput): readonly HttpRoute[] {
  return input.virtualService.spec.http.flatMap((route, index) => {
    const matches = route.match.filter((match) => isForListener(match, input) && isForClient(match, input.client));
    return route.match.length > 0 && matches.length === 0 ? [] : [createRoute(input, { route, index, matches })];
  });
}

/** A VirtualService with the resources that its routes' targets depend on. */
export interface RouteTargetContext {
  readonly set: ResourceSet;
  readonly settings: Pick<MeshSettings, "clusterDomain">;
  readonly virtualService: VirtualService;
  /** The dialled port; used if the service has several ports and the route has none. */
  readonly port?: number;
}

/**
 * A route's resolved target: the host with the VirtualService's namespace, and the port as given or inferred like
 * Istio.
 */
export function resolveRouteTarget(
  context: RouteTargetContext,
  destination: RouteDestination,
): { readonly host: string; readonly port: number } | { readonly fault: string } {
  const host = expandHost(destination.host, context.virtualService.metadata.namespace, context.settings);
  if (destination.port !== undefined) return { host, port: destination.port.number };
  const service = findServiceByHost(context, host);
  if (service === undefined) return { fault: `there is no service ${host}` };
  const ports = findTcpPorts(service);
  const [only] = ports;
  if (only !== undefined && ports.length === 1) return { host, port: only.port };
  const same = ports.find(({ port }) => port === context.port);
  if (same !== undefined) return { host, port: same.port };
  return { fault: `${host} has ${ports.length} ports: name one in destination.port.number` };
}

interface IndexedRoute {
  readonly route: HttpRouteSpec;
  readonly index: number;
  readonly matches: readonly HttpMatchSpec[];
}

function createRoute(input: HttpRoutesInput, { route, index, matches }: IndexedRoute): HttpRoute {
  const { targets, fault } = createTargets(input, route);
  const rewrite = createRewrite(route);
  const redirect = createRedirect(route, input.port);
  const retries = createRetries(route);
  const headers = createHeaderOperations(route.headers);
  const injected = createFault(route);
  const timeoutMs = route.timeout ?? 0;
  return {
    name: `${formatResourceName(input.virtualService)}[${index}]`,
    matches: matches.map(createMatch),
    targets,
    refusal: findUnsupported(input.virtualService, index) ?? findRouteFault(route) ?? fault ?? "",
    ...(rewrite === undefined ? {} : { rewrite }),
    ...(redirect === undefined ? {} : { redirect }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries }),
    ...(headers === undefined ? {} : { headers }),
    ...(injected === undefined ? {} : { fault: injected }),
  };
}

interface Targets {
  readonly targets: readonly WeightedTarget[];
  readonly fault: string | undefined;
}

function createTargets(input: HttpRoutesInput, { route, redirect }: HttpRouteSpec): Targets {
  const targets: WeightedTarget[] = [];
  let fault: string | undefined;
  for (const spec of route) {
    const resolved = resolveRouteTarget(input, spec.destination);
    if ("fault" in resolved) {
      fault ??= resolved.fault;
      continue;
    }
    const weight = route.length === 1 ? 100 : (spec.weight ?? 0);
    if (weight > 0) targets.push(createTarget(spec, resolved, weight));
  }
  if (targets.length === 0 && redirect === undefined) fault ??= "the route has no destination";
  return { targets, fault };
}

function createTarget(
  { destination, headers: spec }: RouteTargetSpec,
  resolved: { readonly host: string; readonly port: number },
  weight: number,
): WeightedTarget {
  const headers = createHeaderOperations(spec);
  const authority = findAuthority(spec);
  return {
    target: { kind: "host", ...resolved, subset: destination.subset ?? "" },
    weight,
    ...(headers === undefined ? {} : { headers }),
    ...(authority === undefined ? {} : { authority }),
  };
}

/** Why a route that is valid in Istio cannot be served here, independent of other resources. */
export function findRouteFault(route: HttpRouteSpec): string | undefined {
  const variable = [route.headers, ...route.route.map(({ headers }) => headers)].map(findVariable).find(Boolean);
  if (variable !== undefined) {
    return `the header value ${JSON.stringify(variable)} has a variable, which is not supported: write %% for a percent sign`;
  }
  const names = route.match.flatMap(({ headers, withoutHeaders }) => Object.keys({ ...headers, ...withoutHeaders }));
  const claim = names.find((name) => name.startsWith("@"));
  return claim && `a match on ${claim} is not supported: tokens are not verified`;
}

function findUnsupported(virtualService: VirtualService, index: number): string | undefined {
  const prefix = `spec.http[${index}].`;
  const field = virtualService.unsupported?.find((path) => path.startsWith(prefix) && !isHarmlessRouteField(path));
  return field && `${field} of ${formatResourceName(virtualService)} is not supported`;
}

function isForListener(match: HttpMatchSpec, { port, gateways, virtualService }: HttpRoutesInput): boolean {
  if (match.port !== undefined && match.port !== port) return false;
  if (match.gateways.length === 0) return true;
  const { namespace } = virtualService.metadata;
  return match.gateways.some((name) => gateways.includes(expandGatewayName(name, namespace)));
}

/** Expands a VirtualService's gateway, `NAME` or `NAMESPACE/NAME`, to the second form; `mesh` is unchanged. */
export function expandGatewayName(name: string, namespace: string): string {
  return name.includes("/") || name === MESH_GATEWAY ? name : formatResourceKey(namespace, name);
}

function isForClient({ sourceLabels, sourceNamespace = "" }: HttpMatchSpec, { namespace, labels }: Client): boolean {
  return (sourceNamespace === "" || sourceNamespace === namespace) && matchLabels(sourceLabels, labels);
}

function createMatch(match: HttpMatchSpec): HttpMatch {
  return {
    ...(match.uri === undefined ? {} : { uri: createStringMatch(match.uri) }),
    ...(match.scheme === undefined ? {} : { scheme: createStringMatch(match.scheme) }),
    ...(match.method === undefined ? {} : { method: createStringMatch(match.method) }),
    ...(match.authority === undefined ? {} : { authority: createStringMatch(match.authority) }),
    headers: createHeaderMatches(match.headers),
    withoutHeaders: createHeaderMatches(match.withoutHeaders),
    queryParams: Object.entries(match.queryParams).map(([name, value]) => ({ name, value: createStringMatch(value) })),
    ignoreUriCase: match.ignoreUriCase,
  };
}

type StringMatchSpec = HttpMatchSpec["headers"][string];

function createHeaderMatches(headers: Readonly<Record<string, StringMatchSpec>>): readonly HeaderMatch[] {
  return Object.entries(headers).map(([name, value]) => ({
    name: name.toLowerCase(),
    value: createStringMatch(value),
  }));
}

/** Istio treats the regex `*` as: any value is present. */
function createStringMatch({ exact, prefix, regex }: StringMatchSpec): StringMatch {
  if (exact !== undefined) return { kind: "exact", value: exact };
  if (prefix !== undefined) return { kind: "prefix", value: prefix };
  if (regex !== undefined && regex !== "*") return { kind: "regex", value: regex };
  return { kind: "present" };
}
