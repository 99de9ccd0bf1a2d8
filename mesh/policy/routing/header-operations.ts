import { foldHeaderName } from "../../resources/fields/header-rules.ts";
import type { HeaderOperations, HeaderValue } from "./http-route.ts";

/** Operations in the form in which a proxy applies them: some fields are left out, then others come at the end. */
export interface FoldedHeaders {
  /** Names of `foldHeaderName`: every field is dropped whose name folds to one of them. */
  readonly removed: ReadonlySet<string>;
  /** In order; several of one name are several fields. */
  readonly added: readonly HeaderValue[];
}

/** Folds operations that follow each other: a later one also changes what an earlier one added. */
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
