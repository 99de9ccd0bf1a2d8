import type { ObjectChange } from "../../kubernetes/reflector/object-store.ts";
import type { ResourceKind } from "../../mesh/resources/resource.ts";
import { MAP_NAMES, type ResourceSet, type ResourceUpdate } from "../../mesh/resources/resource-set.ts";
import type { FollowedObject } from "./followed-object.ts";

/**
 * What a change of an object changes in the configuration. An invalid object keeps its last valid version in force; without
 * one, its stand-in is. An object that was deleted and created again is another one.
 */
export function decideUpdate(
  set: ResourceSet,
  kind: ResourceKind,
  change: ObjectChange<FollowedObject>,
): ResourceUpdate | undefined {
  const { key } = change;
  if (change.kind === "delete") return { kind, key, resource: undefined };
  const { resource, standIn, reference } = change.object;
  if (resource !== undefined) return { kind, key, resource };
  const current = set[MAP_NAMES[kind]].get(key);
  const isKept = current !== undefined && current.standsInFor === undefined && current.metadata.uid === reference?.uid;
  return isKept ? undefined : { kind, key, resource: standIn?.kind === kind ? standIn : undefined };
}
