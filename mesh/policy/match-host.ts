import { normalizeHost } from "../resources/fields/normalize-host.ts";

/**
 * The normalized form of a host with an optional port, as in a Host field or `:authority`. A port belongs to the listener, not to
 * the name (compare CVE-2021-39155).
 */
export function normalizeAuthority(authority: string): string {
  const colon = authority.search(/:\d*$/);
  const hasPort = colon >= 0 && !isInsideAddress(authority, colon);
  return normalizeHost(hasPort ? authority.slice(0, colon) : authority);
}

/** In `::1` the last colon is part of an IPv6 address; only after `]` does it start a port. */
function isInsideAddress(authority: string, colon: number): boolean {
  return authority.slice(0, colon).includes(":") && !authority.slice(0, colon).endsWith("]");
}

/**
 * Whether a pattern matches a host: a name, `*`, or `*` and a suffix (`*.local`). Istio's rule is a plain suffix match,
 * so `*.local` matches every depth.
 */
export function matchHost(pattern: string, host: string): boolean {
  const wanted = normalizeHost(pattern);
  const given = normalizeHost(host);
  if (!wanted.startsWith("*")) return wanted === given;
  const suffix = wanted.slice(1);
  return given.endsWith(suffix) && given.length > suffix.length;
}

/** The most specific pattern that matches a host: the exact name, else the longest wildcard; the first of equals. */
export function mostSpecificHost<Pattern extends string>(
  patterns: readonly Pattern[],
  host: string,
): Pattern | undefined {
  let best: Pattern | undefined;
  for (const pattern of patterns) {
    if (!matchHost(pattern, host)) continue;
    if (best === undefined || compareHosts(pattern, best) < 0) best = pattern;
  }
  return best;
}

/** The intersection of two patterns, as a pattern; undefined if it is empty. */
export function intersectHosts(left: string, right: string): string | undefined {
  const [one, other] = [normalizeHost(left), normalizeHost(right)];
  if (one === other || matchHost(one, other)) return other;
  return matchHost(other, one) ? one : undefined;
}

/** Orders patterns that match one host, the most specific first: an exact name, then the longest wildcard. */
export function compareHosts(left: string, right: string): number {
  const isExact = !left.startsWith("*");
  if (isExact !== !right.startsWith("*")) return isExact ? -1 : 1;
  return normalizeHost(right).length - normalizeHost(left).length;
}
