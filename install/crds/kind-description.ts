import type { ResourceKind } from "../../mesh/resources/resource.ts";
import { type KindDescription, RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";

/** How `mesh/resources` reads a kind. */
export function describeKind(kind: ResourceKind): KindDescription {
  const description = RESOURCE_KINDS.find((candidate) => candidate.kind === kind);
  if (description === undefined) throw new TypeError(`${kind} is not a kind of mesh/resources`);
  return description;
}

export function groupOf(kind: ResourceKind): string {
  return describeKind(kind).group;
}
