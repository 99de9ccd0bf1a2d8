import type { PathNormalization } from "./authorization.ts";

/** Nothing to normalise in any mode: no escape, backslash, fragment, empty segment or segment that begins with a dot. */
const PLAIN = /^\/(?:[^%\\#?/.][^%\\#?/]*(?:\/[^%\\#?/.][^%\\#?/]*)*\/?)?(?:\?[^#]*)?$/;

const ESCAPED_SLASH = /%2f|%5c/gi;
/** Letters, digits and `-._~` (RFC 3986 §2.3). */
const ESCAPED_UNRESERVED = /%(?:2[de]|3\d|[46][1-9a-f]|[57][\da]|5f|7e)/gi;
/** A `%` that begins no escape, and would begin one after the unreserved characters behind it were decoded. */
const EMERGING_ESCAPE = /%(?![\da-f]{2})(?=(?:[\da-f]|%3\d|%[46][1-6]){2})/gi;
const ESCAPED_NUL = /%00/;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;

/**
 * The path that is routed, matched and forwarded, by Istio's `pathNormalization`; undefined: the request is to be
 * refused with 400. In every mode the fragment is removed, and the query stays as it is.
 *
 * `BASE` does what Envoy's `normalize_path` does: unreserved characters are decoded once, `\` becomes `/`, and dot
 * segments are resolved (RFC 3986 §5.2.4). Other escapes keep their spelling, malformed ones too (`%zz`); `%00` is
 * refused. A second normalisation changes nothing, so that no server reads more out of the path by the same rules.
 *
 * @param path the request target in origin form, with its query. Other forms (`*`) only lose their fragment.
 */
export function normalizePath(path: string, mode: PathNormalization): string | undefined {
  if (PLAIN.test(path)) return path;
  const target = cutAt(path, "#");
  if (mode === "NONE" || !target.startsWith("/")) return target;
  const segments = cutAt(target, "?");
  const normalized = normalizeSegments(segments, mode);
  return normalized === undefined ? undefined : normalized + target.slice(segments.length);
}

/** The text before the first separator. */
export function cutAt(text: string, separator: string): string {
  const end = text.indexOf(separator);
  return end < 0 ? text : text.slice(0, end);
}

function normalizeSegments(path: string, mode: PathNormalization): string | undefined {
  const decodesSlashes = mode === "DECODE_AND_MERGE_SLASHES";
  const split = decodesSlashes ? path.replaceAll(ESCAPED_SLASH, "/") : path;
  if (ESCAPED_NUL.test(split)) return undefined;
  const decoded = split
    .replaceAll(EMERGING_ESCAPE, "%25")
    .replaceAll(ESCAPED_UNRESERVED, decodeEscape)
    .replaceAll("\\", "/");
  const resolved = DOT_SEGMENT.test(decoded) ? resolveDots(decoded) : decoded;
  return mode === "BASE" ? resolved : resolved.replaceAll(/\/{2,}/g, "/");
}

function decodeEscape(escaped: string): string {
  return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
}

/** A segment `..` removes the one before it, an empty one too; above the root it removes nothing. */
function resolveDots(path: string): string {
  const kept: string[] = [];
  const segments = path.slice(1).split("/");
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  const last = segments.at(-1);
  if (last === "." || last === "..") kept.push("");
  return `/${kept.join("/")}`;
}
