import type { Change } from "./object-history.ts";
import type { Filter } from "./selectors.ts";

/** Whether a watch with this filter sees a change: also when the object has left its selection. */
export function isSeen({ object, previous }: Change, filter: Filter): boolean {
  return filter(object) || (previous !== undefined && filter(previous));
}

/** The watch event of a change for a filter that sees it. */
export function eventTypeOf(
  { object, previous, isDeletion }: Change,
  filter: Filter,
): "ADDED" | "MODIFIED" | "DELETED" {
  if (isDeletion || !filter(object)) return "DELETED";
  return previous !== undefined && filter(previous) ? "MODIFIED" : "ADDED";
}
