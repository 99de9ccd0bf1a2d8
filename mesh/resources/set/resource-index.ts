import { podAddresses } from "../fields/pod-addresses.ts";
import { formatResourceKey, formatSelectorKey } from "../fields/resource-names.ts";
import { SERVICE_NAME_LABEL } from "../fields/slice-labels.ts";
import type { EndpointSlice } from "../kinds/endpoint-slice.ts";
import type { Endpoints } from "../kinds/endpoints.ts";
import type { Pod } from "../kinds/pod.ts";
import type { Service } from "../kinds/service.ts";
import { emptyIndex, type GroupIndex, type ItemChange, regroup } from "./group-index.ts";
import { mirrorEndpoints } from "./mirror-endpoints.ts";
import { PersistentMap } from "./persistent-map.ts";
import {
  EMPTY_POLICY_INDEX,
  type PolicyChanges,
  type PolicyIndex,
  type UpdatablePolicyIndex,
  updatePolicyIndex,
} from "./policy-index.ts";

/** Lookups that decisions repeat, derived from the resources and kept up to date with each change. */
export interface ResourceIndex extends PolicyIndex {
  readonly podsByNamespace: ReadonlyMap<string, readonly Pod[]>;
  /** Pods with this address that are not finished (Succeeded or Failed), those in the node's network included. */
  readonly podsByIp: ReadonlyMap<string, readonly Pod[]>;
  /** The one of them that an address names: addresses are reused. */
  readonly podByIp: ReadonlyMap<string, Pod>;
  readonly serviceByIp: ReadonlyMap<string, Service>;
  /** Services by one label of their selector: `NAMESPACE/LABEL=VALUE`. Those without a selector are missing. */
  readonly servicesBySelector: ReadonlyMap<string, readonly Service[]>;
  /** The EndpointSlices of each Service, by its key. Endpoints of Services without a selector count as slices. */
  readonly slicesByService: ReadonlyMap<string, readonly EndpointSlice[]>;
  /** The keys of the Services whose EndpointSlices list an address. */
  readonly serviceKeysByIp: ReadonlyMap<string, readonly string[]>;
}

/** The same with all that an update needs. */
export interface UpdatableIndex extends UpdatablePolicyIndex {
  readonly podsByNamespace: GroupIndex<Pod>;
  readonly podsByIp: GroupIndex<Pod>;
  readonly podByIp: PersistentMap<Pod>;
  readonly servicesByIp: GroupIndex<Service>;
  readonly serviceByIp: PersistentMap<Service>;
  readonly servicesBySelector: GroupIndex<Service>;
  readonly slicesByService: GroupIndex<EndpointSlice>;
  readonly serviceKeysByIp: GroupIndex<string>;
  /** The slices of Endpoints objects, by the key that they share with their Service. */
  readonly mirroredSlices: GroupIndex<EndpointSlice>;
}

export const EMPTY_INDEX: UpdatableIndex = {
  ...EMPTY_POLICY_INDEX,
  podsByNamespace: emptyIndex(),
  podsByIp: emptyIndex(),
  podByIp: PersistentMap.empty(),
  servicesByIp: emptyIndex(),
  serviceByIp: PersistentMap.empty(),
  servicesBySelector: emptyIndex(),
  slicesByService: emptyIndex(),
  serviceKeysByIp: emptyIndex(),
  mirroredSlices: emptyIndex(),
};

/** What an update of the index depends on: changes, and the maps that contain them already. */
export interface IndexedChanges extends PolicyChanges {
  readonly pods: readonly ItemChange<Pod>[];
  readonly services: readonly ItemChange<Service>[];
  readonly endpointSlices: readonly ItemChange<EndpointSlice>[];
  readonly endpoints: readonly ItemChange<Endpoints>[];
  readonly allServices: ReadonlyMap<string, Service>;
  readonly allEndpoints: ReadonlyMap<string, Endpoints>;
}

/** Receives the name of each index and each of its keys whose value has changed. */
export type NoteChange = (index: keyof ResourceIndex, key: string) => void;

/** Brings the index up to date; costs what depends on the changed resources. */
export function updateIndex(index: UpdatableIndex, changes: IndexedChanges, note: NoteChange): UpdatableIndex {
  return {
    ...updatePods(index, changes.pods, note),
    ...updateServices(index, changes.services, note),
    ...updateSlices(index, changes, note),
    ...updatePolicyIndex(index, changes, note),
  };
}

function updatePods(index: UpdatableIndex, changes: readonly ItemChange<Pod>[], note: NoteChange) {
  const byNamespace = regroup(index.podsByNamespace, changes, (pod) => [pod.metadata.namespace]);
  const byIp = regroup(index.podsByIp, changes, indexedAddresses);
  const holders = new Map(
    [...byIp]
      .map(([ip, pods = []]) => [ip, findHolder(pods)] as const)
      .filter(([ip, pod]) => index.podByIp.get(ip) !== pod),
  );
  noteAll(note, "podsByNamespace", byNamespace);
  noteAll(note, "podsByIp", byIp);
  noteAll(note, "podByIp", holders);
  return {
    podsByNamespace: index.podsByNamespace.with(byNamespace),
    podsByIp: index.podsByIp.with(byIp),
    podByIp: index.podByIp.with(holders),
  };
}

function indexedAddresses(pod: Pod): readonly string[] {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed" ? [] : podAddresses(pod);
}

/**
 * An address belongs to the pod that came last; one that is being deleted gives way. Pods in the node's network share its
 * address, which therefore names none of them.
 */
function findHolder(all: readonly Pod[]): Pod | undefined {
  const pods = all.filter(({ spec }) => spec.hostNetwork !== true);
  return pods.findLast(({ metadata }) => metadata.deletionTimestamp === undefined) ?? pods.at(-1);
}

function updateServices(index: UpdatableIndex, changes: readonly ItemChange<Service>[], note: NoteChange) {
  const byIp = regroup(index.servicesByIp, changes, serviceIps);
  const holders = new Map([...byIp].map(([ip, services]) => [ip, services?.at(-1)]));
  const bySelector = regroup(index.servicesBySelector, changes, selectorKeys);
  noteAll(note, "serviceByIp", holders);
  noteAll(note, "servicesBySelector", bySelector);
  return {
    servicesByIp: index.servicesByIp.with(byIp),
    serviceByIp: index.serviceByIp.with(holders),
    servicesBySelector: index.servicesBySelector.with(bySelector),
  };
}

function serviceIps({ spec }: Service): readonly string[] {
  return [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])].filter((ip) => ip !== "" && ip !== "None");
}

function selectorKeys({ metadata, spec }: Service): readonly string[] {
  const [first] = Object.entries(spec.selector ?? {});
  return first === undefined ? [] : [formatSelectorKey(metadata.namespace, ...first)];
}

function updateSlices(index: UpdatableIndex, changes: IndexedChanges, note: NoteChange) {
  const mirrored = mirrorChanged(index, changes);
  const slices = [...changes.endpointSlices, ...mirrored.changes];
  const byService = regroup(index.slicesByService, slices, serviceKeys);
  const slicesByService = index.slicesByService.with(byService);
  const listings = [...byService.keys()].flatMap((key) =>
    listingChanges(key, index.slicesByService.get(key) ?? [], slicesByService.get(key) ?? []),
  );
  const byIp = regroupKeys(index.serviceKeysByIp, listings);
  noteAll(note, "slicesByService", byService);
  noteAll(note, "serviceKeysByIp", byIp);
  return {
    slicesByService,
    serviceKeysByIp: index.serviceKeysByIp.with(byIp),
    mirroredSlices: index.mirroredSlices.with(mirrored.groups),
  };
}

/** A slice without the label belongs to no Service. */
function serviceKeys({ metadata }: EndpointSlice): readonly string[] {
  const service = metadata.labels[SERVICE_NAME_LABEL] ?? "";
  return service === "" ? [] : [formatResourceKey(metadata.namespace, service)];
}

function mirrorChanged({ mirroredSlices }: UpdatableIndex, changes: IndexedChanges) {
  const objects = [...changes.endpoints, ...changes.services].flatMap(({ before, after }) => [before, after]);
  const keys = new Set(
    objects.flatMap((object) => (object ? [formatResourceKey(object.metadata.namespace, object.metadata.name)] : [])),
  );
  const groups = new Map<string, readonly EndpointSlice[] | undefined>();
  const found: ItemChange<EndpointSlice>[] = [];
  for (const key of keys) {
    const before = mirroredSlices.get(key) ?? [];
    const after = mirrorEndpoints(changes.allEndpoints.get(key), changes.allServices.get(key));
    if (before.length + after.length === 0) continue;
    groups.set(key, after.length === 0 ? undefined : after);
    found.push(...before.map((slice) => ({ before: slice, after: undefined })));
    found.push(...after.map((slice) => ({ before: undefined, after: slice })));
  }
  return { groups, changes: found };
}

/** That a Service's slices list an address, or no longer do. */
interface ListingChange {
  readonly ip: string;
  readonly service: string;
  readonly isListed: boolean;
}

function listingChanges(
  service: string,
  before: readonly EndpointSlice[],
  after: readonly EndpointSlice[],
): readonly ListingChange[] {
  const old = listedAddresses(before);
  const now = listedAddresses(after);
  return [
    ...[...old].filter((ip) => !now.has(ip)).map((ip) => ({ ip, service, isListed: false })),
    ...[...now].filter((ip) => !old.has(ip)).map((ip) => ({ ip, service, isListed: true })),
  ];
}

function listedAddresses(slices: readonly EndpointSlice[]): ReadonlySet<string> {
  return new Set(
    slices.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses.map((ip) => ip.toLowerCase()))),
  );
}

function regroupKeys(index: GroupIndex<string>, changes: readonly ListingChange[]) {
  const groups = new Map<string, readonly string[] | undefined>();
  for (const { ip, service, isListed } of changes) {
    const group = (groups.has(ip) ? groups.get(ip) : index.get(ip)) ?? [];
    const next = isListed ? [...group, service] : group.filter((key) => key !== service);
    groups.set(ip, next.length === 0 ? undefined : next);
  }
  return groups;
}

function noteAll(note: NoteChange, name: keyof ResourceIndex, changed: ReadonlyMap<string, unknown>): void {
  for (const key of changed.keys()) note(name, key);
}
