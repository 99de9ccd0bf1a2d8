import type { MeshSettings } from "../../mesh-settings.ts";
import { UNREADABLE } from "../../resources/fields/host-keys.ts";
import type { ResourceBase } from "../../resources/fields/metadata.ts";
import { type PolicyTarget, targetRefsOf } from "../../resources/fields/policy-target.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import { matchLabels } from "../workloads.ts";

/** A pod as the place where policies are enforced. */
export interface EnforcingPod {
  readonly settings: Pick<MeshSettings, "rootNamespace">;
  readonly pod: Pod;
  /** A gateway can be the target of a policy's `targetRefs`; a sidecar ignores policies that have any. */
  readonly role: "sidecar" | "gateway";
}

interface TargetedPolicy extends Pick<ResourceBase, "metadata"> {
  readonly spec: PolicyTarget;
}

/** The label of a gateway's pods that names their Gateway of the Kubernetes API. */
const GATEWAY_NAME_LABEL = "gateway.networking.k8s.io/gateway-name";
const GATEWAY_GROUP = "gateway.networking.k8s.io";

/**
 * The AuthorizationPolicies, or RequestAuthentications, that apply to a pod: those of its namespace and of the root
 * namespace that select it, in the order of `NAMESPACE/NAME`. Without a selector a policy applies to its namespace, one
 * of the root namespace to the mesh; so does a stand-in for one of which not even the namespace is readable.
 */
export function findPoliciesOfPod<Policy extends TargetedPolicy>(
  policies: ReadonlyMap<string, readonly Policy[]>,
  input: EnforcingPod,
): readonly Policy[] {
  const namespaces = new Set([UNREADABLE, input.settings.rootNamespace, input.pod.metadata.namespace]);
  const candidates = new Set([...namespaces].flatMap((namespace) => policies.get(namespace) ?? []));
  return [...candidates].filter((policy) => isEnforced(policy, input)).sort(compareNames);
}

function isEnforced({ metadata, spec }: TargetedPolicy, { pod, role }: EnforcingPod): boolean {
  const targets = targetRefsOf(spec);
  if (targets.length === 0) return matchLabels(spec.selector?.matchLabels ?? {}, pod.metadata.labels);
  const gateway = pod.metadata.labels[GATEWAY_NAME_LABEL];
  if (role !== "gateway" || metadata.namespace !== pod.metadata.namespace) return false;
  return targets.some(({ group, kind, name }) => group === GATEWAY_GROUP && kind === "Gateway" && name === gateway);
}

function compareNames({ metadata: left }: TargetedPolicy, { metadata: right }: TargetedPolicy): number {
  return compareText(left.namespace, right.namespace) || compareText(left.name, right.name);
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
