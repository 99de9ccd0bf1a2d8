import type { KubernetesObject } from "../../kubernetes-api.ts";
import { expired } from "./refused-request.ts";

/** One change, as etcd keeps it. */
export interface Change {
  readonly revision: number;
  readonly storage: string;
  readonly object: KubernetesObject;
  /** Undefined: created. */
  readonly previous: KubernetesObject | undefined;
  readonly isDeletion: boolean;
}

export type ChangeListener = (change: Change) => void;

/** Everything that is stored at one moment. */
export interface Backup {
  readonly revision: number;
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, KubernetesObject>>;
}

/** The store: objects by kind and name, one counter of revisions, and the last changes. Pure, as etcd without disks. */
export class ObjectHistory {
  readonly #maxChanges: number;
  readonly #listeners = new Set<ChangeListener>();
  #objects = new Map<string, Map<string, KubernetesObject>>();
  #changes: Change[] = [];
  #revision = 1;
  /** Versions before this one are forgotten. */
  #oldestRevision = 1;

  constructor(maxChanges: number) {
    this.#maxChanges = maxChanges;
  }

  get revision(): number {
    return this.#revision;
  }

  get(storage: string, key: string): KubernetesObject | undefined {
    return this.#objects.get(storage)?.get(key);
  }

  /** In the order of their keys, as the API server lists them. */
  list(storage: string): readonly KubernetesObject[] {
    const entries = [...(this.#objects.get(storage) ?? [])];
    return entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, object]) => object);
  }

  /** Stores an object at a new revision, and returns it with that version. */
  put(storage: string, key: string, object: KubernetesObject): KubernetesObject {
    const stored = this.#atNextRevision(object);
    const previous = this.get(storage, key);
    this.#bucket(storage).set(key, stored);
    this.#record({ revision: this.#revision, storage, object: stored, previous, isDeletion: false });
    return stored;
  }

  delete(storage: string, key: string): void {
    const previous = this.get(storage, key);
    if (previous === undefined) return;
    this.#bucket(storage).delete(key);
    const object = this.#atNextRevision(previous);
    this.#record({ revision: this.#revision, storage, object, previous, isDeletion: true });
  }

  /** The changes after a revision, still known. Throws 410 when some are forgotten. */
  since(storage: string, revision: number): readonly Change[] {
    if (revision < this.#oldestRevision) {
      throw expired(`too old resource version: ${revision} (${this.#oldestRevision})`);
    }
    return this.#changes.filter((change) => change.storage === storage && change.revision > revision);
  }

  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets all changes until now. */
  compact(): void {
    this.#changes = [];
    this.#oldestRevision = this.#revision;
  }

  backup(): Backup {
    const objects = new Map([...this.#objects].map(([storage, all]) => [storage, new Map(all)]));
    return { revision: this.#revision, objects };
  }

  /** Goes back to a backup: revisions run backwards and are given a second time. */
  restore({ revision, objects }: Backup): void {
    this.#objects = new Map([...objects].map(([storage, all]) => [storage, new Map(all)]));
    this.#revision = revision;
    this.#changes = [];
    this.#oldestRevision = revision;
  }

  #bucket(storage: string): Map<string, KubernetesObject> {
    const bucket = this.#objects.get(storage) ?? new Map<string, KubernetesObject>();
    this.#objects.set(storage, bucket);
    return bucket;
  }

  #atNextRevision(object: KubernetesObject): KubernetesObject {
    this.#revision += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
  }

  #record(change: Change): void {
    this.#changes.push(change);
    if (this.#changes.length > this.#maxChanges) {
      const forgotten = this.#changes.splice(0, this.#changes.length - this.#maxChanges);
      this.#oldestRevision = forgotten.at(-1)?.revision ?? this.#oldestRevision;
    }
    for (const listener of this.#listeners) listener(change);
  }
}
