import { compileRegex } from "../../resources/fields/compile-regex.ts";
import { normalizeHost } from "../../resources/fields/normalize-host.ts";
import { byteTextFrom } from "../byte-text.ts";
import { normalizeAuthority } from "../match-host.ts";
import type { GatewayListener } from "../types.ts";
import type { HostTarget } from "./host-target.ts";
import type { HeaderOperations, HttpMatch, HttpRoute, StringMatch } from "./http-route.ts";

/** Routes with compiled regexes: created once per configuration by the code that routes requests. */
export interface CompiledRoutes {
  readonly routes: readonly CompiledRoute[];
}

export interface CompiledRoute {
  readonly route: HttpRoute;
  /** One of them must match; an empty list matches every request. */
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

/** A request's values that matches use. */
export interface RouteSubject {
  /** As `normalizeAuthority` gives it. */
  readonly host: string;
  /** Without query. */
  readonly path: string;
  /** The part after `?`; empty if there is none. */
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

/** A match with a regex that does not compile never matches, not even for `withoutHeaders`. */
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
        asReceived(value),
        (test) =>
          ({ headers }) =>
            passes(test, headers(name)),
      ),
    ),
    ...match.withoutHeaders.flatMap(({ name, value }) =>
      // As in Envoy: if the header is missing, a forbidden value is compared with the empty string.
      compileText(asReceived(value), (test) => ({ headers }) => {
        const given = headers(name);
        return value.kind === "present" ? given === undefined : !test(given ?? "");
      }),
    ),
    ...match.queryParams.flatMap(({ name, value }) =>
      compileText(
        value,
        (test) =>
          ({ query }) =>
            passes(test, findParameter(query, name)),
      ),
    ),
  ];
  return (subject) => tests.every((test) => test(subject));
}

/** Exact and prefix matches can ignore case; a regex has its own flag. */
function compilePath({ uri, ignoreUriCase }: HttpMatch): readonly SubjectTest[] {
  return ignoreUriCase && uri?.kind !== "regex"
    ? compileText(withoutCase(uri), (test) => (subject) => test(subject.path.toLowerCase()))
    : compileText(uri, (test) => (subject) => test(subject.path));
}

/** No test for a missing condition; a test that always fails for a regex that does not compile. */
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

/** An exact value or prefix of a field, as the field contains it. */
function asReceived(match: StringMatch): StringMatch {
  return match.kind === "exact" || match.kind === "prefix" ? { ...match, value: byteTextFrom(match.value) } : match;
}

function passes(test: TextTest, value: string | undefined): boolean {
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
