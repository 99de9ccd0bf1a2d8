import { foldHeaderName } from "../../resources/fields/header-rules.ts";
import type { HeaderOperations, HeaderValue } from "./http-route.ts";

/** Operations in the form that a proxy applies: some fields are removed, then others are appended. */
export interface FoldedHeaders {
  /** Names as returned by `foldHeaderName`: every field whose folded name is in this set is removed. */
  readonly removed: ReadonlySet<string>;
  /** In order; several with one name are several fields. */
  readonly added: readonly HeaderValue[];
}

/** Combines consecutive operations: a later one also changes fields that an earlier one added. */
export function foldHeaderOperations(
  operations: readonly HeaderOperations[],
  side: "request" | "response",
): FoldedHeaders {
  const removed = new Set<string>();
  let added: HeaderValue[] = [];
  const drop = (name: string): void => {
    const folded = foldHeaderName(name);
    removed.add(folded);
    added = added.filter((field) => foldHeaderName(field.name) !== folded);
  };
  for (const { [side]: edit } of operations) {
    for (const name of edit.remove) drop(name);
    for (const field of edit.set) {
      drop(field.name);
      added.push(field);
    }
    added.push(...edit.add);
  }
  return { removed, added };
}
