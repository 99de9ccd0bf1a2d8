import type { Field } from "./field-access.ts";
import { isForbiddenTrailer } from "./field-kinds.ts";
import type { Trailers } from "./fields.ts";
import { isFieldValue, isToken } from "./grammar.ts";

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
