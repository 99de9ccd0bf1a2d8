import type { ResourceSet } from "../resource-set.ts";

/**
 * A view of a set that reports what is read from it, in the form of `SetChange.keys`: `pods/NAMESPACE/NAME` for one
 * entry, present or not, and `pods` for all entries. A decision made with this view stays the same until a change has
 * one of these keys.
 */
export function trackReads(set: ResourceSet, onRead: (key: string) => void): ResourceSet {
  const of = <Value>(map: ReadonlyMap<string, Value>, name: string): ReadonlyMap<string, Value> =>
    new TrackedMap(map, name, onRead);
  const { index } = set;
  return {
    namespaces: of(set.namespaces, "namespaces"),
    pods: of(set.pods, "pods"),
    services: of(set.services, "services"),
    endpointSlices: of(set.endpointSlices, "endpointSlices"),
    endpoints: of(set.endpoints, "endpoints"),
    deployments: of(set.deployments, "deployments"),
    meshPolicies: of(set.meshPolicies, "meshPolicies"),
    policies: of(set.policies, "policies"),
    peerAuthentications: of(set.peerAuthentications, "peerAuthentications"),
    requestAuthentications: of(set.requestAuthentications, "requestAuthentications"),
    authorizationPolicies: of(set.authorizationPolicies, "authorizationPolicies"),
    destinationRules: of(set.destinationRules, "destinationRules"),
    virtualServices: of(set.virtualServices, "virtualServices"),
    gateways: of(set.gateways, "gateways"),
    index: {
      podsByNamespace: of(index.podsByNamespace, "podsByNamespace"),
      podsByIp: of(index.podsByIp, "podsByIp"),
      podByIp: of(index.podByIp, "podByIp"),
      serviceByIp: of(index.serviceByIp, "serviceByIp"),
      servicesBySelector: of(index.servicesBySelector, "servicesBySelector"),
      slicesByService: of(index.slicesByService, "slicesByService"),
      serviceKeysByIp: of(index.serviceKeysByIp, "serviceKeysByIp"),
      destinationRulesByHost: of(index.destinationRulesByHost, "destinationRulesByHost"),
      virtualServicesByHost: of(index.virtualServicesByHost, "virtualServicesByHost"),
      peerAuthenticationsByNamespace: of(index.peerAuthenticationsByNamespace, "peerAuthenticationsByNamespace"),
      requestAuthenticationsByNamespace: of(
        index.requestAuthenticationsByNamespace,
        "requestAuthenticationsByNamespace",
      ),
      authorizationPoliciesByNamespace: of(index.authorizationPoliciesByNamespace, "authorizationPoliciesByNamespace"),
      policiesByNamespace: of(index.policiesByNamespace, "policiesByNamespace"),
    },
  };
}

/** A view of a map that reports what is read from it: `NAME/KEY` for one entry, `NAME` for all. */
export class TrackedMap<Value> implements ReadonlyMap<string, Value> {
  readonly #map: ReadonlyMap<string, Value>;
  readonly #name: string;
  readonly #onRead: (key: string) => void;

  constructor(map: ReadonlyMap<string, Value>, name: string, onRead: (key: string) => void) {
    this.#map = map;
    this.#name = name;
    this.#onRead = onRead;
  }

  get size(): number {
    return this.#all().size;
  }

  get(key: string): Value | undefined {
    this.#onRead(`${this.#name}/${key}`);
    return this.#map.get(key);
  }

  has(key: string): boolean {
    this.#onRead(`${this.#name}/${key}`);
    return this.#map.has(key);
  }

  entries(): MapIterator<[string, Value]> {
    return this.#all().entries();
  }

  keys(): MapIterator<string> {
    return this.#all().keys();
  }

  values(): MapIterator<Value> {
    return this.#all().values();
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(action: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    this.#all().forEach(action);
  }

  #all(): ReadonlyMap<string, Value> {
    this.#onRead(this.#name);
    return this.#map;
  }
}
