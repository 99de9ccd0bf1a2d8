import type { Pod } from "../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { DECLARED_PROTOCOLS, declaredProtocol } from "./declared-protocol.ts";
import { findPortsOfPod } from "./service-endpoints.ts";

/** A Service's port that leads to a port of a pod. */
export interface ServedPort {
  readonly service: Service;
  readonly port: ServicePort;
}

/** For each port of a pod, the Service ports that lead to it, the oldest Service first. */
export function findServedPorts(set: ResourceSet, pod: Pod): ReadonlyMap<number, readonly ServedPort[]> {
  return Map.groupBy(findPortsOfPod(set, pod), ({ target }) => target);
}

/**
 * The Service port that determines how a pod's port is served. A declared protocol overrides none, and of two
 * conflicting ones the one with less parsing wins; among equals the oldest Service applies. Istio uses only the first
 * Service, so adding another one can change how a declared port is served.
 */
export function decideServedPort(served: readonly ServedPort[]): ServedPort | undefined {
  for (const protocol of DECLARED_PROTOCOLS) {
    const declared = served.find(({ port }) => declaredProtocol(port) === protocol);
    if (declared !== undefined) return declared;
  }
  return served[0];
}
