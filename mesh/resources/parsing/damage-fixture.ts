/** Documents that are damaged at one place, for tests only. */
import fc from "fast-check";

export type Json = string | number | boolean | null | Json[] | { [field: string]: Json };

/** All paths of a document. */
function pathsOf(value: Json, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([field, child]) => pathsOf(child, [...path, field]))];
}

function replaceAt(value: Json, path: readonly string[], by: Json): Json {
  const [field, ...rest] = path;
  if (field === undefined) return by;
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, Json> = Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, name === field ? replaceAt(child, rest, by) : child]),
  );
  return Array.isArray(value) ? Object.values(copy) : copy;
}

/** A document with any value in place of one of its parts, and the path of this part. */
export function damageOf<Document extends Json>(documents: readonly Document[]) {
  return fc
    .constantFrom(...documents)
    .chain((document) =>
      fc
        .tuple(fc.constantFrom(...pathsOf(document)), fc.jsonValue({ maxDepth: 2 }))
        .map(([path, value]) => ({ path, damaged: replaceAt(document, path, JSON.parse(JSON.stringify(value))) })),
    );
}

/** The same with a value that no document can have, in place of each part that says what a document is. */
export function unreadableParts(documents: readonly Json[]): readonly { path: readonly string[]; damaged: Json }[] {
  return documents.flatMap((document) =>
    ["apiVersion", "kind", "metadata", "spec"].map((field) => ({
      path: [field],
      damaged: replaceAt(document, [field], JSON.parse('{"__proto__": false}')),
    })),
  );
}
