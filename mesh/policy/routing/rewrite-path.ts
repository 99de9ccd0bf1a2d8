import type { StringMatch } from "./http-route.ts";

/**
 * The path that the upstream gets, as Envoy's `prefix_rewrite` makes it: the replacement takes the place of the prefix
 * that matched, character by character, so that `/a` to `/` makes `//b` of `/a/b` (write `/a/` to `/`); a match without a
 * path counts as the prefix `/`. After an exact or regex match it takes the place of the whole path. The query stays, and
 * so does what is not a path (`OPTIONS *`).
 *
 * @param path with its query.
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
