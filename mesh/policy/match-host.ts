/**
 * Whether a host is covered by a pattern: a name, `*`, or `*` and a suffix (`*.local`). Istio's rule is a plain suffix
 * match, so `*.local` covers every depth. Names compare without case (RFC 4343).
 */
export function matchHost(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = host.toLowerCase();
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
  if (left.toLowerCase() === right.toLowerCase() || matchHost(left, right)) return right.toLowerCase();
  return matchHost(right, left) ? left.toLowerCase() : undefined;
}

/** Orders patterns that cover one host, the closest first: an exact name, then the longest wildcard. */
export function compareHosts(left: string, right: string): number {
  const isExact = !left.startsWith("*");
  if (isExact !== !right.startsWith("*")) return isExact ? -1 : 1;
  return right.length - left.length;
}
