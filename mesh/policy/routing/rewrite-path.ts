import type { StringMatch } from "./http-route.ts";

/**
 * The rewritten path, as with Envoy's `prefix_rewrite`: the replacement replaces the matched prefix, character by
 * character, so that `/a` to `/` turns `/a/b` into `//b` (use `/a/` to `/`); a match without a path counts as the
 * prefix `/`. After an exact or regex match it replaces the whole path. The query is kept, and so is a target that is
 * not a path (`OPTIONS *`).
 * @param path with its query
 */
export function rewritePath(path: string, matched: StringMatch | undefined, replacement: string): string {
  return path.startsWith("/") ? replacement + path.slice(matchedLength(path, matched)) : path;
}

function matchedLength(path: string, matched: StringMatch | undefined): number {
  if (matched === undefined) return 1;
  if (matched.kind === "prefix") return matched.value.length;
  const end = path.search(/[?#]/);
  return end < 0 ? path.length : end;
}
