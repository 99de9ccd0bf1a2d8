import { isDeepStrictEqual } from "node:util";
import { applyResource } from "./apply-resource.ts";
import { formatResourceKey } from "./fields/resource-names.ts";
import type { Resource, ResourceKind, ResourceOf } from "./resource.ts";
import type { ItemChange } from "./set/group-index.ts";
import { PersistentMap } from "./set/persistent-map.ts";
import { EMPTY_INDEX, type ResourceIndex, type UpdatableIndex, updateIndex } from "./set/resource-index.ts";

/**
 * One immutable state of the whole configuration. The keys of the maps are `NAMESPACE/NAME` (cluster-wide kinds: only
 * the name), in the order in which resources first occurred.
 */
export interface ResourceSet extends ResourceMaps {
  readonly index: ResourceIndex;
}

export type ResourceMaps = {
  readonly [Kind in ResourceKind as (typeof MAP_NAMES)[Kind]]: ReadonlyMap<string, ResourceOf<Kind>>;
};

/** The map of a ResourceSet that contains a kind. */
export const MAP_NAMES = {
  Namespace: "namespaces",
  Pod: "pods",
  Service: "services",
  EndpointSlice: "endpointSlices",
  Endpoints: "endpoints",
  Deployment: "deployments",
  MeshPolicy: "meshPolicies",
  Policy: "policies",
  PeerAuthentication: "peerAuthentications",
  RequestAuthentication: "requestAuthentications",
  AuthorizationPolicy: "authorizationPolicies",
  DestinationRule: "destinationRules",
  VirtualService: "virtualServices",
  Gateway: "gateways",
} as const satisfies Record<ResourceKind, string>;

/** A resource that is added or changed, or (`undefined`) removed. `key` is its key in the ResourceSet's map. */
export interface ResourceUpdate {
  readonly kind: ResourceKind;
  readonly key: string;
  readonly resource: Resource | undefined;
}

/** The differences between two states of the configuration. */
export interface SetChange {
  /** Without those whose new version is equal to the one before. */
  readonly resources: readonly ResourceChange[];
  /**
   * The parts of the set that differ: `pods/NAMESPACE/NAME`, `podByIp/ADDRESS` (each entry of a map or of an index), and
   * `pods`, `podByIp` (the map as a whole). `trackReads` reports what a decision has read in the same form: a decision
   * that read none of these is still the same.
   */
  readonly keys: ReadonlySet<string>;
}

export interface ResourceChange {
  readonly kind: ResourceKind;
  readonly key: string;
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

/** The maps that `updateResourceSet` can derive new versions from. */
type UpdatableMaps = {
  readonly [Kind in ResourceKind as (typeof MAP_NAMES)[Kind]]: PersistentMap<ResourceOf<Kind>>;
};

/** A set that can be updated: made by `EMPTY_SET` and `updateResourceSet`. */
export interface UpdatableSet extends UpdatableMaps {
  readonly index: UpdatableIndex;
}

export const EMPTY_SET: UpdatableSet = {
  namespaces: PersistentMap.empty(),
  pods: PersistentMap.empty(),
  services: PersistentMap.empty(),
  endpointSlices: PersistentMap.empty(),
  endpoints: PersistentMap.empty(),
  deployments: PersistentMap.empty(),
  meshPolicies: PersistentMap.empty(),
  policies: PersistentMap.empty(),
  peerAuthentications: PersistentMap.empty(),
  requestAuthentications: PersistentMap.empty(),
  authorizationPolicies: PersistentMap.empty(),
  destinationRules: PersistentMap.empty(),
  virtualServices: PersistentMap.empty(),
  gateways: PersistentMap.empty(),
  index: EMPTY_INDEX,
};

/** Combines resources; one that occurs again is applied over its earlier version. */
export function createResourceSet(resources: readonly Resource[]): ResourceSet {
  return updateResourceSet(EMPTY_SET, [...combineResources(resources).values()]).set;
}

/**
 * The state that some resources, applied one after another, result in. One that occurs again is applied over its
 * earlier version, as with `kubectl apply` and `kubectl label`: labels and annotations are merged, and the specification
 * is replaced if there is a new one.
 */
export function combineResources(resources: readonly Resource[]): ReadonlyMap<string, ResourceUpdate> {
  const all = new Map<string, ResourceUpdate>();
  for (const resource of resources) {
    const { kind } = resource;
    const key = resourceKey(resource);
    const earlier = all.get(`${kind}/${key}`)?.resource;
    const combined = earlier === undefined ? resource : applyResource(earlier, resource);
    all.set(`${kind}/${key}`, { kind, key, resource: combined });
  }
  return all;
}

/** The updates that lead from one combination of resources to another. */
export function updatesBetween(
  before: ReadonlyMap<string, ResourceUpdate>,
  after: ReadonlyMap<string, ResourceUpdate>,
): readonly ResourceUpdate[] {
  const removed = [...before].filter(([name]) => !after.has(name)).map(([, { kind, key }]) => ({ kind, key }));
  return [...removed.map((name) => ({ ...name, resource: undefined })), ...after.values()];
}

/** A resource's key in the maps of a ResourceSet. */
export function resourceKey({ metadata }: Pick<Resource, "metadata">): string {
  return metadata.namespace === "" ? metadata.name : formatResourceKey(metadata.namespace, metadata.name);
}

/**
 * The next state of a set. Costs what depends on the changed resources, not what the set contains; all other parts are
 * shared with the earlier state. If a resource occurs twice, its last update counts.
 */
export function updateResourceSet(
  set: UpdatableSet,
  updates: Iterable<ResourceUpdate>,
): { readonly set: UpdatableSet; readonly change: SetChange } {
  const next = new SetUpdate(set);
  for (const update of updates) next.add(update);
  return next.finish();
}

type ChangesOfKind = Map<string, ResourceChange>;

class SetUpdate {
  readonly #set: UpdatableSet;
  readonly #changes = new Map<ResourceKind, ChangesOfKind>();
  readonly #keys = new Set<string>();

  constructor(set: UpdatableSet) {
    this.#set = set;
  }

  add({ kind, key, resource }: ResourceUpdate): void {
    const changes: ChangesOfKind = this.#changes.get(kind) ?? new Map();
    this.#changes.set(kind, changes);
    const before = this.#set[MAP_NAMES[kind]].get(key);
    if (before === resource || isDeepStrictEqual(before, resource)) changes.delete(key);
    else changes.set(key, { kind, key, before, after: resource });
  }

  finish(): { readonly set: UpdatableSet; readonly change: SetChange } {
    const set = this.#set;
    const resources = [...this.#changes.values()].flatMap((changes) => [...changes.values()]);
    if (resources.length === 0) return { set, change: { resources, keys: this.#keys } };
    const maps: UpdatableMaps = {
      namespaces: this.#apply(set.namespaces, "Namespace"),
      pods: this.#apply(set.pods, "Pod"),
      services: this.#apply(set.services, "Service"),
      endpointSlices: this.#apply(set.endpointSlices, "EndpointSlice"),
      endpoints: this.#apply(set.endpoints, "Endpoints"),
      deployments: this.#apply(set.deployments, "Deployment"),
      meshPolicies: this.#apply(set.meshPolicies, "MeshPolicy"),
      policies: this.#apply(set.policies, "Policy"),
      peerAuthentications: this.#apply(set.peerAuthentications, "PeerAuthentication"),
      requestAuthentications: this.#apply(set.requestAuthentications, "RequestAuthentication"),
      authorizationPolicies: this.#apply(set.authorizationPolicies, "AuthorizationPolicy"),
      destinationRules: this.#apply(set.destinationRules, "DestinationRule"),
      virtualServices: this.#apply(set.virtualServices, "VirtualService"),
      gateways: this.#apply(set.gateways, "Gateway"),
    };
    const changed = {
      pods: this.#itemChanges("Pod"),
      services: this.#itemChanges("Service"),
      endpointSlices: this.#itemChanges("EndpointSlice"),
      endpoints: this.#itemChanges("Endpoints"),
      destinationRules: this.#itemChanges("DestinationRule"),
      virtualServices: this.#itemChanges("VirtualService"),
      peerAuthentications: this.#itemChanges("PeerAuthentication"),
      requestAuthentications: this.#itemChanges("RequestAuthentication"),
      authorizationPolicies: this.#itemChanges("AuthorizationPolicy"),
      policies: this.#itemChanges("Policy"),
      allServices: maps.services,
      allEndpoints: maps.endpoints,
    };
    const index = updateIndex(set.index, changed, (name, key) => this.#note(name, key));
    return { set: { ...maps, index }, change: { resources, keys: this.#keys } };
  }

  #apply<Kind extends ResourceKind>(map: PersistentMap<ResourceOf<Kind>>, kind: Kind): PersistentMap<ResourceOf<Kind>> {
    const changes = this.#changes.get(kind);
    if (changes === undefined) return map;
    const entries = new Map<string, ResourceOf<Kind> | undefined>();
    for (const { key, after } of changes.values()) {
      if (after !== undefined && !isOfKind(after, kind)) continue;
      entries.set(key, after);
      this.#note(MAP_NAMES[kind], key);
    }
    return map.with(entries);
  }

  #itemChanges<Kind extends ResourceKind>(kind: Kind): readonly ItemChange<ResourceOf<Kind>>[] {
    return [...(this.#changes.get(kind)?.values() ?? [])].map(({ before, after }) => ({
      before: before !== undefined && isOfKind(before, kind) ? before : undefined,
      after: after !== undefined && isOfKind(after, kind) ? after : undefined,
    }));
  }

  #note(map: string, key: string): void {
    this.#keys.add(map).add(`${map}/${key}`);
  }
}

function isOfKind<Kind extends ResourceKind>(resource: Resource, kind: Kind): resource is ResourceOf<Kind> {
  return resource.kind === kind;
}
