import type { GrpcStatus } from "../../resources/fields/grpc-status-names.ts";
import type { Random } from "../../runtime.ts";
import { grpcStatusFromHttp } from "../grpc/grpc-status.ts";
import { mostSpecificHost, normalizeAuthority } from "../match-host.ts";
import type {
  CompiledListener,
  CompiledRoute,
  CompiledRoutes,
  CompiledTarget,
  RouteSubject,
} from "./compile-routes.ts";
import type { HostTarget } from "./host-target.ts";
import type { HeaderOperations, HttpMatch, HttpRoute, RouteFault } from "./http-route.ts";
import { formatLocation } from "./redirect-location.ts";
import { rewritePath } from "./rewrite-path.ts";

/** The parts of a request that routing uses. */
export interface RouteRequest {
  /** The Host header or `:authority`, with or without a port. */
  readonly host: string;
  /** The request target in origin form, with its query. Matches use the part before `?`; `#` ends both. */
  readonly path: string;
  readonly method: string;
  /** @default http */
  readonly scheme?: "http" | "https";
  /** A header's value by its lower-case name; several with one name are joined with a comma. */
  readonly headers: (name: string) => string | undefined;
}

export type RouteVerdict =
  | ForwardVerdict
  | RedirectVerdict
  | AbortVerdict
  | { readonly kind: "no_host" }
  | { readonly kind: "no_route" }
  /** A route matches but cannot be served: it has an unsupported field or no destination. */
  | { readonly kind: "refused"; readonly route: HttpRoute; readonly reason: string };

export interface ForwardVerdict {
  readonly kind: "route";
  readonly route: HttpRoute;
  readonly target: HostTarget;
  /** Replacements for the request's own values; absent if nothing is rewritten. */
  readonly rewritten?: RewrittenRequest;
  /** The route's, then the target's; the same list for every request with the same result. */
  readonly headers: readonly HeaderOperations[];
  /** How long the request is delayed before it is forwarded. */
  readonly delayMs?: number;
}

export interface RewrittenRequest {
  /** With its query. */
  readonly path?: string;
  readonly authority?: string;
}

export interface RedirectVerdict {
  readonly kind: "redirect";
  readonly route: HttpRoute;
  readonly status: number;
  /** Absolute; only visible ASCII. */
  readonly location: string;
  /** Its `response` part applies to this response too. */
  readonly headers: readonly HeaderOperations[];
  readonly delayMs?: number;
}

export interface AbortVerdict {
  readonly kind: "abort";
  readonly route: HttpRoute;
  readonly status: number;
  /** Instead of `status`, for a call of gRPC. */
  readonly grpcStatus: GrpcStatus;
  readonly delayMs?: number;
}

/** Names and addresses (RFC 3986, section 3.2.2) without ambiguous parts. */
const HOST = /^(?:(?:[a-z0-9._~!$&'()+;=-]|%[0-9a-f]{2})+|\[[0-9a-f:.]+\])$/;

/** For a gateway: the most specific host, then as in `decideRouteAmong`. */
export function decideRoute(listener: CompiledListener, request: RouteRequest, random: Random): RouteVerdict {
  const host = normalizeAuthority(request.host);
  const pattern = HOST.test(host) ? mostSpecificHost(listener.hosts, host) : undefined;
  const routes = pattern === undefined ? undefined : listener.routesByHost.get(pattern);
  return routes === undefined ? { kind: "no_host" } : decideRouteAmong(routes, request, random);
}

/**
 * Decides about a request: the first route that matches, its faults, then its redirect or a target by weight. Never
 * throws. Calls `random` for a delay, an abort and a target, in this order, and only if there is a choice.
 */
export function decideRouteAmong(routes: CompiledRoutes, request: RouteRequest, random: Random): RouteVerdict {
  const found = findRoute(routes, createSubject(request));
  if (found === undefined) return { kind: "no_route" };
  const { route } = found.compiled;
  if (route.refusal !== "") return { kind: "refused", route, reason: route.refusal };
  const delay = drawDelay(route.fault, random);
  const abort = drawAbort(route.fault, random);
  if (abort !== undefined) return { kind: "abort", route, ...statusesOf(abort), ...delay };
  return route.redirect === undefined ? forward(found, request, delay, random) : redirect(found, request, delay);
}

interface FoundRoute {
  readonly compiled: CompiledRoute;
  /** The match that applied; `undefined` if the route has none. */
  readonly match: HttpMatch | undefined;
}

function findRoute({ routes }: CompiledRoutes, subject: RouteSubject): FoundRoute | undefined {
  for (const compiled of routes) {
    if (compiled.matches.length === 0) return { compiled, match: undefined };
    const held = compiled.matches.find(({ test }) => test(subject));
    if (held !== undefined) return { compiled, match: held.match };
  }
  return undefined;
}

interface Delay {
  readonly delayMs?: number;
}

function drawDelay(fault: RouteFault | undefined, random: Random): Delay {
  const delay = fault?.delay;
  return delay !== undefined && isDrawn(delay.percentage, random) ? { delayMs: delay.fixedDelayMs } : {};
}

function drawAbort(fault: RouteFault | undefined, random: Random): RouteFault["abort"] {
  const abort = fault?.abort;
  return abort !== undefined && isDrawn(abort.percentage, random) ? abort : undefined;
}

function statusesOf({ httpStatus: status, grpcStatus }: NonNullable<RouteFault["abort"]>) {
  return { status, grpcStatus: grpcStatus ?? grpcStatusFromHttp(status) };
}

function isDrawn(percentage: number, random: Random): boolean {
  return percentage >= 100 || (percentage > 0 && random() * 100 < percentage);
}

function redirect({ compiled }: FoundRoute, request: RouteRequest, delay: Delay): RouteVerdict {
  const { route, headers } = compiled;
  const location = route.redirect && formatLocation(route.redirect, request);
  if (location === undefined) return { kind: "refused", route, reason: "a redirect needs a valid Host in the request" };
  return { kind: "redirect", route, status: route.redirect?.code ?? 301, location, headers, ...delay };
}

function forward({ compiled, match }: FoundRoute, request: RouteRequest, delay: Delay, random: Random): RouteVerdict {
  const { route } = compiled;
  const picked = pickTarget(compiled, random);
  if (picked === undefined) return { kind: "refused", route, reason: `${route.name} has no destination` };
  const { target, headers, authority } = picked;
  const uri = route.rewrite?.uri;
  if (uri === undefined && authority === undefined) return { kind: "route", route, target, headers, ...delay };
  const rewritten: RewrittenRequest = {
    ...(uri === undefined ? {} : { path: rewritePath(request.path, match?.uri, uri) }),
    ...(authority === undefined ? {} : { authority }),
  };
  return { kind: "route", route, target, rewritten, headers, ...delay };
}

function pickTarget({ targets, totalWeight }: CompiledRoute, random: Random): CompiledTarget | undefined {
  if (targets.length < 2) return targets[0];
  let left = random() * totalWeight;
  for (const target of targets) {
    left -= target.weight;
    if (left < 0) return target;
  }
  return targets.at(-1);
}

function createSubject({ host, path, method, scheme = "http", headers }: RouteRequest): RouteSubject {
  const [whole = ""] = path.split("#", 1);
  const mark = whole.indexOf("?");
  return {
    host: normalizeAuthority(host),
    path: mark < 0 ? whole : whole.slice(0, mark),
    query: mark < 0 ? "" : whole.slice(mark + 1),
    scheme,
    method,
    headers,
  };
}
