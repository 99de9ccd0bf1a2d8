/**
 * The form in which hosts and patterns are compared: in lower case (RFC 4343), without the dot of DNS's root, which
 * names the same host (RFC 1034 §3.1). Normalizing twice changes nothing.
 */
export function normalizeHost(host: string): string {
  const lowered = host.toLowerCase();
  return lowered.endsWith(".") && !lowered.endsWith("..") && lowered !== "." ? lowered.slice(0, -1) : lowered;
}

/**
 * The same for a host that may have a port, as in a Host field or `:authority`. A port belongs to the listener, not to
 * the name (compare CVE-2021-39155).
 */
export function normalizeAuthority(authority: string): string {
  const colon = authority.search(/:\d*$/);
  const hasPort = colon >= 0 && !isInsideAddress(authority, colon);
  return normalizeHost(hasPort ? authority.slice(0, colon) : authority);
}

/** In `::1` the last colon is part of an IPv6 address; only after `]` does it introduce a port. */
function isInsideAddress(authority: string, colon: number): boolean {
  return authority.slice(0, colon).includes(":") && !authority.slice(0, colon).endsWith("]");
}

/**
 * Whether a host is covered by a pattern: a name, `*`, or `*` and a suffix (`*.local`). Istio's rule is a plain suffix
 * match, so `*.local` covers every depth.
 */
export function matchHost(pattern: string, host: string): boolean {
  const wanted = normalizeHost(pattern);
  const given = normalizeHost(host);
  if (!wanted.startsWith("*")) return wanted === given;
  const suffix = wanted.slice(1);
  return given.endsWith(suffix) && given.length > suffix.length;
}

/** The pattern that covers a host most closely: the exact name, else the longest wildcard; the first of equals. */
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

/** The hosts that two patterns have in common, as a pattern; nothing where they have none. */
export function intersectHosts(left: string, right: string): string | undefined {
  const [one, other] = [normalizeHost(left), normalizeHost(right)];
  if (one === other || matchHost(one, other)) return other;
  return matchHost(other, one) ? one : undefined;
}

/** Orders patterns that cover one host, the closest first: an exact name, then the longest wildcard. */
export function compareHosts(left: string, right: string): number {
  const isExact = !left.startsWith("*");
  if (isExact !== !right.startsWith("*")) return isExact ? -1 : 1;
  return normalizeHost(right).length - normalizeHost(left).length;
}
