import { randomUUID } from "node:crypto";
import { formatResourceName, KINDS } from "../kinds.ts";
import type { ApiKind, KubernetesObject, NewKubernetesObject, ObjectName } from "../kubernetes-api.ts";
import type {
  ApplyStoreOptions,
  Deletion,
  PageQuery,
  SelectionQuery,
  StoreOptions,
} from "./storage/cluster-queries.ts";
import { applyFields, trackUpdate, type Writer } from "./storage/field-managers.ts";
import type { ListKeys } from "./storage/field-sets.ts";
import { listKeysOf } from "./storage/list-keys.ts";
import { ListSnapshots, type Page, type Snapshot } from "./storage/list-snapshots.ts";
import { type Change, ObjectHistory } from "./storage/object-history.ts";
import {
  alreadyExists,
  badRequest,
  conflict,
  notFound,
  RefusedRequest,
  terminating,
} from "./storage/refused-request.ts";
import { isSeen } from "./storage/seen-changes.ts";
import { type Filter, parseFieldSelector, parseLabelSelector } from "./storage/selectors.ts";
import { BUILT_IN_KINDS, kindsOfDefinition, type ServedKind, storageKey } from "./storage/served-kinds.ts";
import {
  identityOf,
  inVersion,
  isSameContent,
  newObject,
  updatedObject,
  withoutOtherPart,
} from "./storage/stored-object.ts";

export interface TestClusterOptions {
  /** @default the system's clock */
  readonly now?: () => number;
  /** Changes that a watch can still ask for. @default 10,000 */
  readonly maxChanges?: number;
}

const DEFINITIONS = storageKey(KINDS.customResourceDefinitions);
const MODIFIED = "the object has been modified; please apply your changes to the latest version";
const NAMESPACES = storageKey(KINDS.namespaces);

/** The state of a cluster as an API server keeps it, without the network. Throws RefusedRequest. */
export class TestCluster {
  readonly history: ObjectHistory;
  readonly #now: () => number;
  readonly #lists = new ListSnapshots();

  constructor(options: TestClusterOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.history = new ObjectHistory(options.maxChanges ?? 10_000);
    for (const name of ["default", "kube-system"]) {
      this.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  }

  /** All kinds, those of CustomResourceDefinitions included. */
  get kinds(): readonly ServedKind[] {
    return [...BUILT_IN_KINDS, ...this.history.list(DEFINITIONS).flatMap(kindsOfDefinition)];
  }

  /** The kind with what the server knows of it. Throws the 404 of an unknown path. */
  served({ group, version, plural }: Pick<ApiKind, "group" | "version" | "plural">): ServedKind {
    const find = (all: readonly ServedKind[]): ServedKind | undefined =>
      all.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
    const found = find(BUILT_IN_KINDS) ?? find(this.kinds);
    if (found !== undefined) return found;
    throw new RefusedRequest(404, "NotFound", "the server could not find the requested resource");
  }

  get(kind: ApiKind, name: ObjectName): KubernetesObject {
    const found = this.find(kind, name);
    if (found === undefined) throw notFound(formatResourceName(kind), name.name);
    return found;
  }

  find(kind: ApiKind, name: ObjectName): KubernetesObject | undefined {
    const served = this.served(kind);
    const found = this.history.get(storageKey(kind), keyOf(served, name));
    return found === undefined ? undefined : inVersion(found, served);
  }

  list(kind: ApiKind, query: PageQuery): Page {
    const snapshot = query.continue ? this.#lists.resume(query.continue) : this.#snapshot(kind, query);
    return this.#lists.page(snapshot, query.limit);
  }

  /** The selected changes after a version. Throws 410 when some are forgotten. */
  changesSince(kind: ApiKind, query: SelectionQuery, resourceVersion: string): readonly Change[] {
    const filter = this.filterOf(kind, query);
    return this.history.since(storageKey(kind), revisionOf(resourceVersion)).filter((change) => isSeen(change, filter));
  }

  /** Selects the objects of a list or watch. */
  filterOf(kind: ApiKind, { namespace, labelSelector, fieldSelector }: SelectionQuery): Filter {
    this.served(kind);
    const labels = parseLabelSelector(labelSelector);
    const fields = parseFieldSelector(fieldSelector);
    return (object) => (!namespace || object.metadata.namespace === namespace) && labels(object) && fields(object);
  }

  /** Completes a new object, without storing it. */
  prepare(kind: ApiKind, given: NewKubernetesObject): KubernetesObject {
    const served = this.served(kind);
    if (served.isNamespaced) this.#checkNamespace(given.metadata.namespace);
    const suffix = randomUUID().slice(0, 5);
    return newObject(served, given, { uid: randomUUID(), nowMs: this.#now(), suffix });
  }

  create(kind: ApiKind, given: NewKubernetesObject, options: StoreOptions = {}): KubernetesObject {
    return this.store(kind, this.prepare(kind, given), options);
  }

  /** Stores an object that `prepare` has completed. */
  store(kind: ApiKind, object: KubernetesObject, options: StoreOptions = {}): KubernetesObject {
    const key = keyOf(this.served(kind), object.metadata);
    if (this.history.get(storageKey(kind), key) !== undefined)
      throw alreadyExists(formatResourceName(kind), object.metadata.name);
    return this.#put(kind, trackUpdate(undefined, object, this.#writer(kind, options)), options);
  }

  /** With a resourceVersion a compare-and-swap. */
  replace(kind: ApiKind, given: KubernetesObject, options: StoreOptions = {}): KubernetesObject {
    const previous = this.#current(kind, given);
    const next = updatedObject(this.served(kind), previous, given, options.subresource);
    return this.#putIfChanged(kind, previous, trackUpdate(previous, next, this.#writer(kind, options)), options);
  }

  /** Server-side apply; creates what does not exist. */
  apply(kind: ApiKind, given: KubernetesObject, options: ApplyStoreOptions = {}): KubernetesObject {
    const served = this.served(kind);
    const writer = { ...this.#writer(kind, options), force: options.force };
    const exists = this.history.get(storageKey(kind), keyOf(served, given.metadata)) !== undefined;
    if (!exists && options.subresource === undefined) {
      const { apiVersion, kind: name, metadata } = this.prepare(kind, given);
      const bare = { apiVersion, kind: name, metadata: identityOf(metadata) };
      return this.#put(kind, applyFields(bare, given, writer), options);
    }
    const previous = this.#current(kind, given);
    const merged = applyFields(previous, withoutOtherPart(served, given, options.subresource), writer);
    const next = updatedObject(served, previous, merged, options.subresource);
    const { managedFields = [] } = merged.metadata;
    const managed = { ...next, metadata: { ...next.metadata, managedFields } };
    return this.#putIfChanged(kind, previous, managed, options);
  }

  delete(kind: ApiKind, name: ObjectName, { uid, resourceVersion, dryRun }: Deletion = {}): KubernetesObject {
    const served = this.served(kind);
    const found = this.get(kind, name);
    const { metadata } = found;
    if ((uid && uid !== metadata.uid) || (resourceVersion && resourceVersion !== metadata.resourceVersion)) {
      throw conflict(formatResourceName(kind), name.name, "the preconditions do not hold");
    }
    if (dryRun) return found;
    if (storageKey(kind) === NAMESPACES)
      this.#deleteAll(this.kinds, (object) => object.metadata.namespace === name.name);
    if (storageKey(kind) === DEFINITIONS) this.#deleteAll(kindsOfDefinition(found), () => true);
    this.history.delete(storageKey(kind), keyOf(served, name));
    return found;
  }

  /** The lists of a kind whose items have keys. */
  listKeys(kind: ApiKind): ListKeys {
    return listKeysOf(this.served(kind), this.history.get(DEFINITIONS, `${kind.plural}.${kind.group}`));
  }

  /** From now on every continue token is too old. */
  expireContinueTokens(): void {
    this.#lists.expire();
  }

  /** The stored object, if it is the version that the caller names. */
  #current(kind: ApiKind, { metadata }: KubernetesObject): KubernetesObject {
    const previous = this.get(kind, metadata);
    const { resourceVersion, name } = metadata;
    if (!resourceVersion || resourceVersion === previous.metadata.resourceVersion) return previous;
    throw conflict(formatResourceName(kind), name, MODIFIED);
  }

  #putIfChanged(
    kind: ApiKind,
    previous: KubernetesObject,
    next: KubernetesObject,
    options: StoreOptions,
  ): KubernetesObject {
    return isSameContent(previous, next) ? previous : this.#put(kind, next, options);
  }

  #put(kind: ApiKind, object: KubernetesObject, { dryRun }: StoreOptions): KubernetesObject {
    const served = this.served(kind);
    if (dryRun) return inVersion(object, served);
    return inVersion(this.history.put(storageKey(kind), keyOf(served, object.metadata), object), served);
  }

  #writer(kind: ApiKind, { fieldManager = "unknown", subresource }: StoreOptions): Writer {
    return { manager: fieldManager, subresource, nowMs: this.#now(), listKeys: this.listKeys(kind) };
  }

  #snapshot(kind: ApiKind, query: SelectionQuery): Snapshot {
    const filter = this.filterOf(kind, query);
    const served = this.served(kind);
    const items = this.history.list(storageKey(kind)).filter(filter);
    return { items: items.map((item) => inVersion(item, served)), resourceVersion: String(this.history.revision) };
  }

  #checkNamespace(namespace: string | undefined): void {
    if (!namespace) throw badRequest("an empty namespace may not be set during creation");
    const found = this.history.get(NAMESPACES, namespace);
    if (found === undefined) throw notFound("namespaces", namespace);
    if (found.metadata.deletionTimestamp !== undefined) throw terminating(namespace);
  }

  #deleteAll(kinds: readonly ServedKind[], filter: Filter): void {
    for (const kind of kinds) {
      for (const object of this.history.list(storageKey(kind)).filter(filter)) {
        this.history.delete(storageKey(kind), keyOf(kind, object.metadata));
      }
    }
  }
}

function keyOf({ isNamespaced }: ServedKind, { namespace, name }: ObjectName): string {
  return isNamespaced ? `${namespace}/${name}` : name;
}

function revisionOf(resourceVersion: string): number {
  if (/^\d+$/.test(resourceVersion)) return Number(resourceVersion);
  throw badRequest(`Invalid value: "${resourceVersion}": a resource version is a number`);
}
