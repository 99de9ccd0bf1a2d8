import type { Random } from "../runtime.ts";
import { compileRegex, type RegexTest } from "./compile-regex.ts";
import { mostSpecificHost } from "./match-host.ts";
import type { GatewayListener, HeaderMatch, HostTarget, HttpMatch, HttpRoute, StringMatch } from "./types.ts";

/** What routing looks at. */
export interface RouteRequest {
  /** The Host header or `:authority`, with or without a port. */
  readonly host: string;
  /** The request target in origin form; what follows `?` or `#` is not looked at. */
  readonly path: string;
  readonly method: string;
  /** A header's value by its lower-case name. */
  readonly headers: (name: string) => string | undefined;
}

export type RouteVerdict =
  | { readonly kind: "route"; readonly route: HttpRoute; readonly target: HostTarget }
  | { readonly kind: "no_host" }
  | { readonly kind: "no_route" }
  /** A route matches but cannot be served: a field of it is not supported, or it has no destination. */
  | { readonly kind: "refused"; readonly route: HttpRoute; readonly reason: string };

/** Names and addresses (RFC 3986, section 3.2.2) without what could be read in two ways. */
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/;

/**
 * Compiled regexes, kept as long as the configuration that holds them: a cache of a pure function, bounded by the
 * configuration's own size, which holds nothing that a request chose.
 */
const compiledRegexes = new WeakMap<StringMatch, RegexTest | "invalid">();

/** Chooses where a request goes: the closest host, then the first route that matches, then a target by weight. */
export function decideRoute(listener: GatewayListener, request: RouteRequest, random: Random): RouteVerdict {
  const host = stripPort(request.host);
  if (!HOST.test(host)) return { kind: "no_host" };
  const patterns = listener.virtualHosts.flatMap((virtualHost) => virtualHost.hosts);
  const pattern = mostSpecificHost(patterns, host);
  const virtualHost = listener.virtualHosts.find(
    (candidate) => pattern !== undefined && candidate.hosts.includes(pattern),
  );
  if (virtualHost === undefined) return { kind: "no_host" };
  const subject = { ...request, host, path: request.path.split(/[?#]/, 1)[0] ?? "" };
  const route = virtualHost.routes.find((candidate) => matchesRoute(candidate, subject));
  if (route === undefined) return { kind: "no_route" };
  if (route.refusal !== "") return { kind: "refused", route, reason: route.refusal };
  const target = pickTarget(route, random);
  return target === undefined
    ? { kind: "refused", route, reason: `${route.name} has no destination` }
    : { kind: "route", route, target };
}

function matchesRoute(route: HttpRoute, request: RouteRequest): boolean {
  return route.matches.length === 0 || route.matches.some((match) => matchesRequest(match, request));
}

function matchesRequest(match: HttpMatch, request: RouteRequest): boolean {
  return (
    matchesPath(match, request.path) &&
    (match.method === undefined || matchesText(match.method, request.method) === true) &&
    (match.authority === undefined || matchesText(withoutCase(match.authority), request.host) === true) &&
    match.headers.every((header) => matchesHeader(header, request) === true) &&
    match.withoutHeaders.every((header) => matchesHeader(header, request) === false)
  );
}

/** Exact and prefix matches can ignore case; a regex says so itself. */
function matchesPath({ uri, ignoreUriCase }: HttpMatch, path: string): boolean {
  if (uri === undefined) return true;
  if (!ignoreUriCase || uri.kind === "regex") return matchesText(uri, path) === true;
  return matchesText(withoutCase(uri), path.toLowerCase()) === true;
}

function matchesHeader({ name, value }: HeaderMatch, request: RouteRequest): boolean | "invalid" {
  const given = request.headers(name);
  // A regex that does not compile fails its match even where the header must be absent: it never widens a route.
  if (given === undefined) return value.kind === "regex" && regexTest(value) === "invalid" ? "invalid" : false;
  return matchesText(value, given);
}

function matchesText(match: StringMatch, text: string): boolean | "invalid" {
  switch (match.kind) {
    case "exact":
      return text === match.value;
    case "prefix":
      return text.startsWith(match.value);
    case "present":
      return true;
    case "regex": {
      const test = regexTest(match);
      return test === "invalid" ? test : test(text);
    }
  }
}

function regexTest(match: Extract<StringMatch, { kind: "regex" }>): RegexTest | "invalid" {
  const known = compiledRegexes.get(match);
  if (known !== undefined) return known;
  const compiled = compileRegex(match.value);
  const test = compiled.kind === "compiled" ? compiled.test : "invalid";
  compiledRegexes.set(match, test);
  return test;
}

/** A regex is returned as it is, so that its compiled form is found again. */
function withoutCase(match: StringMatch): StringMatch {
  return match.kind === "exact" || match.kind === "prefix" ? { ...match, value: match.value.toLowerCase() } : match;
}

/** Host names compare without case (compare CVE-2021-39155); a port belongs to the listener, not to the name. */
function stripPort(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, (port, offset: number) => (isInsideAddress(host, offset) ? port : ""));
}

/** In `::1` the last colon is part of an IPv6 address; only after `]` does it introduce a port. */
function isInsideAddress(host: string, colon: number): boolean {
  return host.slice(0, colon).includes(":") && !host.slice(0, colon).endsWith("]");
}

function pickTarget(route: HttpRoute, random: Random): HostTarget | undefined {
  const total = route.targets.reduce((sum, { weight }) => sum + weight, 0);
  let left = random() * total;
  for (const { target, weight } of route.targets) {
    left -= weight;
    if (left < 0) return target;
  }
  return route.targets.at(-1)?.target;
}
