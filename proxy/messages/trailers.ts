import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import type { Field } from "./field-access.ts";
import { isForbiddenTrailer } from "./field-kinds.ts";
import { FieldList } from "./field-list.ts";
import type { Trailers } from "./fields.ts";
import { isFieldValue, isToken } from "./grammar.ts";

/**
 * Trailers without some names. What is removed from a head must not come back behind the body, where an application may
 * read it as a field of the request. @param removed as returned by `foldHeaderName`
 */
export function withoutNames(trailers: Trailers | undefined, removed: ReadonlySet<string> | undefined) {
  if (trailers === undefined || removed === undefined || removed.size === 0) return trailers;
  const kept = Array.from({ length: trailers.count }, (_, index) => index).filter(
    (index) => !removed.has(foldHeaderName(trailers.nameAt(index))),
  );
  const names = kept.map((index) => trailers.nameAt(index));
  return new FieldList({ names, values: kept.map((index) => trailers.valueAt(index)), neverIndexed: [] });
}

/**
 * The trailers that go on: without those that framing, routing, identity or credentials use (RFC 9110 §6.5.1), or that
 * are not valid fields.
 */
export function forwardedTrailers(trailers: Trailers | undefined): readonly Field[] {
  if (trailers === undefined) return [];
  const kept: Field[] = [];
  for (let index = 0; index < trailers.count; index += 1) {
    const name = trailers.nameAt(index);
    const value = trailers.valueAt(index);
    if (isToken(name) && isFieldValue(value) && !isForbiddenTrailer(name)) kept.push({ name, value });
  }
  return kept;
}
