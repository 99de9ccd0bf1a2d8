/** Modes of authentication.istio.io/v1alpha1, as Istio 1.0 to 1.4 decide them. */

import { compareAge, formatResourceName } from "../../resources/fields/resource-names.ts";
import type { AuthenticationSpec, MeshPolicy } from "../../resources/kinds/mesh-policy.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import type { Policy } from "../../resources/kinds/policy.ts";
import type { ServicePort } from "../../resources/kinds/service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { findPortsOfPod } from "../service-endpoints.ts";
import type { ServerModeDecision } from "../types.ts";

/** A service and one of its ports. */
export interface LegacyService {
  readonly name: string;
  readonly port: ServicePort;
}

/**
 * The legacy mode of a pod's port. Only the most specific policy applies: one that targets the service (by the
 * service's ports, mapped to the container's), else the namespace's, else the mesh's. Undefined if there is none.
 */
export function decideLegacyMode(input: {
  readonly set: ResourceSet;
  readonly pod: Pod;
  readonly port: number | undefined;
}): ServerModeDecision | undefined {
  const { set, pod, port } = input;
  const { namespace } = pod.metadata;
  const targeted = findServicePolicy(policiesIn(set, namespace), servicesOnPort(set, pod, port));
  return modeOf(targeted ?? findNamespacePolicy(set, namespace) ?? findMeshPolicy(set));
}

/** The same from a client's view: by service instead of pod. */
export function decideLegacyServiceMode(input: {
  readonly set: ResourceSet;
  readonly namespace: string;
  readonly service: LegacyService | undefined;
}): ServerModeDecision | undefined {
  const { set, namespace, service } = input;
  const targeted = findServicePolicy(policiesIn(set, namespace), service === undefined ? [] : [service]);
  return modeOf(targeted ?? findNamespacePolicy(set, namespace) ?? findMeshPolicy(set));
}

function policiesIn(set: ResourceSet, namespace: string): readonly Policy[] {
  return (set.index.policiesByNamespace.get(namespace) ?? []).toSorted(compareAge);
}

function servicesOnPort(set: ResourceSet, pod: Pod, port: number | undefined): readonly LegacyService[] {
  if (port === undefined) return [];
  return findPortsOfPod(set, pod)
    .filter(({ target }) => target === port)
    .map((found) => ({ name: found.service.metadata.name, port: found.port }));
}

/**
 * A target with the port overrides one for all ports (Istio 1.4); among equals the oldest policy applies. A stand-in for
 * a policy whose targets are not readable may have any target.
 */
function findServicePolicy(policies: readonly Policy[], services: readonly LegacyService[]): Policy | undefined {
  const withPort = policies.find(
    (policy) => policy.standsInFor === "namespace" || services.some((service) => targets(policy, service, "port")),
  );
  return withPort ?? policies.find((policy) => services.some((service) => targets(policy, service, "all ports")));
}

function targets(policy: Policy, service: LegacyService, by: "port" | "all ports"): boolean {
  return policy.spec.targets.some((target) => {
    if (target.name !== service.name) return false;
    if (by === "all ports") return target.ports.length === 0;
    return target.ports.some(({ number, name }) =>
      number === undefined ? name === service.port.name : number === service.port.port,
    );
  });
}

function findNamespacePolicy(set: ResourceSet, namespace: string): Policy | undefined {
  const policy = set.policies.get(`${namespace}/default`);
  return policy !== undefined && policy.spec.targets.length === 0 ? policy : undefined;
}

/** One with another name is never valid; its stand-in applies if there is no valid one. */
function findMeshPolicy({ meshPolicies }: ResourceSet): MeshPolicy | undefined {
  const valid = meshPolicies.get("default");
  return valid ?? [...meshPolicies.values()].find(({ standsInFor }) => standsInFor !== undefined);
}

/** The first `mtls` peer applies. A policy without one turns mutual TLS off: the opposite of today's default. */
function modeOf(policy: Policy | MeshPolicy | undefined): ServerModeDecision | undefined {
  if (policy === undefined) return undefined;
  const spec: AuthenticationSpec = policy.spec;
  const first = spec.peers.find((peer) => peer.mtls !== undefined);
  return { mode: first?.mtls?.mode ?? "DISABLE", rule: formatResourceName(policy) };
}
