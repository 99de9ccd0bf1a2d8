import type { ResourceSet } from "../resources/resource-set.ts";
import type { HttpMatchSpec, HttpRouteSpec, RouteDestination, VirtualService } from "../resources/virtual-service.ts";
import { expandHost } from "./destination-rules.ts";
import type { MeshSettings } from "./mesh-settings.ts";
import { formatResourceKey, formatResourceName } from "./resource-names.ts";
import { isHarmlessRouteField } from "./route-fields.ts";
import type { HeaderMatch, HttpMatch, HttpRoute, StringMatch, WeightedTarget } from "./types.ts";
import { findServiceByHost, findTcpPorts } from "./workloads.ts";

export interface HttpRoutesInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly virtualService: VirtualService;
  /** The listener's. */
  readonly port: number;
  /** `NAMESPACE/NAME` of the gateways that serve it here. */
  readonly gateways: readonly string[];
}

/** The routes of a VirtualService for one listener. Routes whose every match is for other listeners are left out. */
export function createHttpRoutes(input: HttpRoutesInput): readonly HttpRoute[] {
  return input.virtualService.spec.http.flatMap((route, index) => {
    const matches = route.match.filter((match) => isForListener(match, input));
    return route.match.length > 0 && matches.length === 0 ? [] : [createRoute(input, { route, index, matches })];
  });
}

/** A route's target in full: the host with the VirtualService's namespace, the port as given or the service's only one. */
export function resolveRouteTarget(
  input: Pick<HttpRoutesInput, "set" | "virtualService"> & { readonly settings: Pick<MeshSettings, "clusterDomain"> },
  destination: RouteDestination,
): { readonly host: string; readonly port: number } | { readonly fault: string } {
  const host = expandHost(destination.host, input.virtualService.metadata.namespace, input.settings);
  if (destination.port !== undefined) return { host, port: destination.port.number };
  const service = findServiceByHost(input, host);
  if (service === undefined) return { fault: `there is no service ${host}` };
  const ports = findTcpPorts(service);
  const [only] = ports;
  if (only !== undefined && ports.length === 1) return { host, port: only.port };
  return { fault: `${host} has ${ports.length} ports: name one in destination.port.number` };
}

interface IndexedRoute {
  readonly route: HttpRouteSpec;
  readonly index: number;
  readonly matches: readonly HttpMatchSpec[];
}

function createRoute(input: HttpRoutesInput, { route, index, matches }: IndexedRoute): HttpRoute {
  const targets: WeightedTarget[] = [];
  let fault = findUnsupported(input.virtualService, index);
  for (const { destination, weight } of route.route) {
    const resolved = resolveRouteTarget(input, destination);
    if ("fault" in resolved) {
      fault ??= resolved.fault;
      continue;
    }
    const share = route.route.length === 1 ? 100 : (weight ?? 0);
    if (share === 0) continue;
    targets.push({ target: { kind: "host", ...resolved, subset: destination.subset ?? "" }, weight: share });
  }
  if (targets.length === 0) fault ??= "the route names no destination";
  return {
    name: `${formatResourceName(input.virtualService)}[${index}]`,
    matches: matches.map(createMatch),
    targets,
    refusal: fault ?? "",
  };
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
  return match.gateways.some((name) =>
    gateways.includes(name.includes("/") ? name : formatResourceKey(namespace, name)),
  );
}

function createMatch(match: HttpMatchSpec): HttpMatch {
  return {
    ...(match.uri === undefined ? {} : { uri: createStringMatch(match.uri) }),
    ...(match.method === undefined ? {} : { method: createStringMatch(match.method) }),
    ...(match.authority === undefined ? {} : { authority: createStringMatch(match.authority) }),
    headers: createHeaderMatches(match.headers),
    withoutHeaders: createHeaderMatches(match.withoutHeaders),
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

function createStringMatch({ exact, prefix, regex }: StringMatchSpec): StringMatch {
  if (exact !== undefined) return { kind: "exact", value: exact };
  if (prefix !== undefined) return { kind: "prefix", value: prefix };
  if (regex !== undefined) return { kind: "regex", value: regex };
  return { kind: "present" };
}
