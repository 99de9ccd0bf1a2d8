import { compileRegex } from "../../resources/fields/compile-regex.ts";
import { normalizeAuthority, normalizeHost } from "../match-host.ts";
import type { GatewayListener } from "../types.ts";
import type { HostTarget } from "./host-target.ts";
import type { HeaderOperations, HttpMatch, HttpRoute, StringMatch } from "./http-route.ts";

/** Routes with their regexes compiled: made once for a configuration, and held by the code that decides requests by it. */
export interface CompiledRoutes {
  readonly routes: readonly CompiledRoute[];
}

export interface CompiledRoute {
  readonly route: HttpRoute;
  /** Any of them must hold; none at all matches every request. */
  readonly matches: readonly CompiledMatch[];
  readonly targets: readonly CompiledTarget[];
  readonly totalWeight: number;
  /** The route's own operations; the same list for every request. */
  readonly headers: readonly HeaderOperations[];
}

export interface CompiledMatch {
  readonly match: HttpMatch;
  readonly test: (subject: RouteSubject) => boolean;
}

export interface CompiledTarget {
  readonly target: HostTarget;
  readonly weight: number;
  readonly authority: string | undefined;
  /** The route's operations, then the target's; the same list for every request. */
  readonly headers: readonly HeaderOperations[];
}

/** A gateway's port with its routes compiled. */
export interface CompiledListener {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly routesByHost: ReadonlyMap<string, CompiledRoutes>;
}

/** A request as matches look at it. */
export interface RouteSubject {
  /** As `normalizeAuthority` gives it. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
  /** What follows `?`; empty where nothing does. */
  readonly query: string;
  readonly scheme: string;
  readonly method: string;
  readonly headers: (name: string) => string | undefined;
}

export function compileListener(listener: GatewayListener): CompiledListener {
  const routesByHost = new Map<string, CompiledRoutes>();
  for (const { hosts, routes } of listener.virtualHosts) {
    const compiled = compileRoutes(routes);
    for (const host of hosts.map(normalizeHost)) if (!routesByHost.has(host)) routesByHost.set(host, compiled);
  }
  return { port: listener.port, hosts: [...routesByHost.keys()], routesByHost };
}

/** A regex that does not compile makes its match hold for nothing, even where a header must be absent. */
export function compileRoutes(routes: readonly HttpRoute[]): CompiledRoutes {
  return { routes: routes.map(compileRoute) };
}

function compileRoute(route: HttpRoute): CompiledRoute {
  const own = route.headers === undefined ? [] : [route.headers];
  return {
    route,
    matches: route.matches.map((match) => ({ match, test: compileMatch(match) })),
    targets: route.targets.map(({ target, weight, headers, authority }) => ({
      target,
      weight,
      authority: route.rewrite?.authority ?? authority,
      headers: headers === undefined ? own : [...own, headers],
    })),
    totalWeight: route.targets.reduce((sum, { weight }) => sum + weight, 0),
    headers: own,
  };
}

type SubjectTest = (subject: RouteSubject) => boolean;
type TextTest = (text: string) => boolean;

function compileMatch(match: HttpMatch): SubjectTest {
  const tests = [
    ...compilePath(match),
    ...compileText(match.scheme, (test) => (subject) => test(subject.scheme)),
    ...compileText(match.method, (test) => (subject) => test(subject.method)),
    ...compileText(normalizeAuthorityMatch(match.authority), (test) => (subject) => test(subject.host)),
    ...match.headers.flatMap(({ name, value }) =>
      compileText(
        value,
        (test) =>
          ({ headers }) =>
            holds(test, headers(name)),
      ),
    ),
    ...match.withoutHeaders.flatMap(({ name, value }) =>
      // As in Envoy, a value that must not be is sought in the empty text where the header is missing.
      compileText(value, (test) => ({ headers }) => {
        const given = headers(name);
        return value.kind === "present" ? given === undefined : !test(given ?? "");
      }),
    ),
    ...match.queryParams.flatMap(({ name, value }) =>
      compileText(
        value,
        (test) =>
          ({ query }) =>
            holds(test, findParameter(query, name)),
      ),
    ),
  ];
  return (subject) => tests.every((test) => test(subject));
}

/** Exact and prefix matches can ignore case; a regex says so itself. */
function compilePath({ uri, ignoreUriCase }: HttpMatch): readonly SubjectTest[] {
  return ignoreUriCase && uri?.kind !== "regex"
    ? compileText(withoutCase(uri), (test) => (subject) => test(subject.path.toLowerCase()))
    : compileText(uri, (test) => (subject) => test(subject.path));
}

/** No test where nothing is asked for; one that nothing passes where the regex does not compile. */
function compileText(
  match: StringMatch | undefined,
  apply: (test: TextTest) => SubjectTest,
): readonly [SubjectTest] | readonly [] {
  if (match === undefined) return [];
  switch (match.kind) {
    case "exact":
      return [apply((text) => text === match.value)];
    case "prefix":
      return [apply((text) => text.startsWith(match.value))];
    case "present":
      return [apply(() => true)];
    case "regex": {
      const compiled = compileRegex(match.value);
      return [compiled.kind === "compiled" ? apply(compiled.test) : () => false];
    }
  }
}

function holds(test: TextTest, value: string | undefined): boolean {
  return value !== undefined && test(value);
}

function withoutCase(match: StringMatch | undefined): StringMatch | undefined {
  return match?.kind === "exact" || match?.kind === "prefix" ? { ...match, value: match.value.toLowerCase() } : match;
}

/** A prefix may end anywhere in a name: of it only the case is put aside. */
function normalizeAuthorityMatch(match: StringMatch | undefined): StringMatch | undefined {
  return match?.kind === "exact" ? { ...match, value: normalizeAuthority(match.value) } : withoutCase(match);
}

function findParameter(query: string, name: string): string | undefined {
  for (const parameter of query === "" ? [] : query.split("&")) {
    const equals = parameter.indexOf("=");
    if ((equals < 0 ? parameter : parameter.slice(0, equals)) !== name) continue;
    return equals < 0 ? "" : parameter.slice(equals + 1);
  }
  return undefined;
}
