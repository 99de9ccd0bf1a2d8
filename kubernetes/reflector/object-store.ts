import { isDeepStrictEqual } from "node:util";
import type { KubernetesObject, ObjectMeta, WatchEvent } from "../kubernetes-api.ts";

/** What became of one object. `key` is `namespace/name`, or the name alone for the cluster's scope. */
export type ObjectChange<Stored> =
  | { readonly kind: "upsert"; readonly key: string; readonly object: Stored }
  /** `object` is the last known state. */
  | { readonly kind: "delete"; readonly key: string; readonly object: Stored };

/** Reduces an object to what its consumer needs; undefined leaves it out. */
export type Transform<Stored> = (object: KubernetesObject) => Stored | undefined;

/**
 * The objects of one kind as the server has last described them. Versions are not compared: they may run backwards, and
 * after a restored backup the same version can name two states. Content decides whether something has changed.
 */
export class ObjectStore<Stored> {
  readonly #transform: Transform<Stored>;
  #objects = new Map<string, Stored>();

  constructor(transform: Transform<Stored>) {
    this.#transform = transform;
  }

  get objects(): ReadonlyMap<string, Stored> {
    return this.#objects;
  }

  /** Takes an event over. Duplicates and deletions of unknown objects change nothing. */
  apply({ type, object }: Extract<WatchEvent, { readonly object: KubernetesObject }>): readonly ObjectChange<Stored>[] {
    const key = keyOf(object.metadata);
    const next = type === "DELETED" ? undefined : this.#transform(object);
    const previous = this.#objects.get(key);
    if (next === undefined) this.#objects.delete(key);
    else this.#objects.set(key, next);
    return changeOf(key, previous, next);
  }

  /** Takes a complete list over at once; what it lacks has been deleted. */
  replace(listed: ReadonlyMap<string, Stored>): readonly ObjectChange<Stored>[] {
    const previous = this.#objects;
    this.#objects = new Map(listed);
    const deleted = [...previous].flatMap(([key, object]) => (listed.has(key) ? [] : changeOf(key, object, undefined)));
    return [...deleted, ...[...listed].flatMap(([key, object]) => changeOf(key, previous.get(key), object))];
  }
}

function changeOf<Stored>(
  key: string,
  previous: Stored | undefined,
  next: Stored | undefined,
): readonly ObjectChange<Stored>[] {
  if (next !== undefined) return isDeepStrictEqual(previous, next) ? [] : [{ kind: "upsert", key, object: next }];
  return previous === undefined ? [] : [{ kind: "delete", key, object: previous }];
}

/** `namespace/name`, or the name alone for the cluster's scope. */
export function keyOf({ namespace, name }: ObjectMeta): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Leaves out who set which field, often half of an object's size. */
export function withoutManagedFields(object: KubernetesObject): KubernetesObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
