import { matchLabels, workloadInfo } from "../../mesh/policy/workloads.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { DestinationRule } from "../../mesh/resources/kinds/destination-rule.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { hasProxy, isActive } from "../workloads/pod-proxy.ts";

/** Pods that the same client rules apply to. */
export interface TlsClient {
  /** Any of them. */
  readonly pod: Pod;
  /** Their workloads, `NAME.NAMESPACE`. */
  readonly names: readonly string[];
}

/**
 * The clients with a proxy, as few as give all answers: rules differ by namespace and, where a DestinationRule has a
 * workloadSelector, by labels.
 */
export function groupClients(set: ResourceSet, namespace: string | undefined): readonly TlsClient[] {
  const selective = [...set.destinationRules.values()].filter(({ spec }) => spec.workloadSelector !== undefined);
  const groups = new Map<string, { pod: Pod; names: Set<string> }>();
  for (const pod of set.pods.values()) {
    if (!isActive(pod) || !hasProxy(pod)) continue;
    if (namespace !== undefined && pod.metadata.namespace !== namespace) continue;
    const key = [pod.metadata.namespace, ...selective.filter((rule) => selects(rule, pod)).map(keyOf)].join(" ");
    const group = groups.get(key) ?? { pod, names: new Set() };
    group.names.add(nameOfClient(pod));
    groups.set(key, group);
  }
  return [...groups.values()].map(({ pod, names }) => ({ pod, names: [...names].sort() }));
}

/** `hello.ns1`: the workload, which its replicas share. */
export function nameOfClient(pod: Pod): string {
  return `${workloadInfo(pod).workload}.${pod.metadata.namespace}`;
}

function selects({ metadata, spec }: DestinationRule, pod: Pod): boolean {
  const { namespace, labels } = pod.metadata;
  return metadata.namespace === namespace && matchLabels(spec.workloadSelector?.matchLabels ?? {}, labels);
}

function keyOf({ metadata }: DestinationRule): string {
  return formatResourceKey(metadata.namespace, metadata.name);
}
