/** For tests: fields as a list. */
import { FieldList } from "./field-list.ts";

/** @param texts names in lower case and values, alternating. */
export function listOf(texts: readonly string[], neverIndexed: readonly number[] = []): FieldList {
  const names = texts.filter((_, at) => at % 2 === 0);
  const values = texts.filter((_, at) => at % 2 === 1);
  return new FieldList({ names, values, neverIndexed });
}
