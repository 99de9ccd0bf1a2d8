import { decideServerMode } from "../policy/authentication/server-mode.ts";
import { findServedPorts } from "../policy/served-ports.ts";
import type { ServerMode } from "../policy/types.ts";
import { findContainerPorts, matchLabels } from "../policy/workloads.ts";
import type { ResourceBase } from "../resources/fields/metadata.ts";
import { type PolicyTarget, targetRefsOf } from "../resources/fields/policy-target.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { Service } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";

export interface ScopedPolicy extends Pick<ResourceBase, "metadata"> {
  readonly spec: PolicyTarget;
}

type ServedPorts = ReturnType<typeof findServedPorts>;

/**
 * What an analysis of policies reads. Facts are kept for the next policy: in a large mesh many apply to the same pods.
 */
export interface AnalysisInput {
  readonly set: ResourceSet;
  readonly settings: AnalysisSettings;
  /**
   * The workloads whose sidecars enforce a policy: of the pods of one owner (a ReplicaSet's have the same labels and
   * ports) one stands for all.
   */
  readonly workloadsOf: (policy: ScopedPolicy) => readonly Pod[];
  readonly modeOf: (pod: Pod) => ServerMode;
  readonly servedPortsOf: (pod: Pod) => ServedPorts;
  readonly portsOf: (policy: ScopedPolicy) => PolicyPorts;
}

/** The ports of the workloads that a policy applies to. */
export interface PolicyPorts {
  /** On which containers listen, as they or their Services say. */
  readonly containerPorts: ReadonlySet<number>;
  /** The Services' own, with the container port that they lead to. */
  readonly servicePorts: ReadonlyMap<number, { readonly service: Service; readonly target: number }>;
}

export function createAnalysisInput(set: ResourceSet, settings: AnalysisSettings): AnalysisInput {
  const keyOf = ({ metadata, spec: { targetRef, targetRefs, selector } }: ScopedPolicy): string =>
    JSON.stringify([metadata.namespace, targetRef, targetRefs, selector?.matchLabels]);
  const servedPortsOf = remember((pod: Pod) => findServedPorts(set, pod));
  const workloadsOf = rememberBy(keyOf, (policy) => findWorkloads(policy, { set, settings }));
  return {
    set,
    settings,
    workloadsOf,
    servedPortsOf,
    modeOf: remember((pod) => decideServerMode({ set, settings, pod }).mode),
    portsOf: rememberBy(keyOf, (policy) => collectPorts(workloadsOf(policy), servedPortsOf)),
  };
}

function remember<Fact>(find: (pod: Pod) => Fact): (pod: Pod) => Fact {
  return rememberBy((pod) => pod, find);
}

function rememberBy<Item, Key, Fact>(keyOf: (item: Item) => Key, find: (item: Item) => Fact): (item: Item) => Fact {
  const known = new Map<Key, Fact>();
  return (item) => {
    const key = keyOf(item);
    const fact = known.get(key) ?? find(item);
    known.set(key, fact);
    return fact;
  };
}

function collectPorts(workloads: readonly Pod[], servedPortsOf: AnalysisInput["servedPortsOf"]): PolicyPorts {
  const containerPorts = new Set<number>();
  const servicePorts = new Map<number, { readonly service: Service; readonly target: number }>();
  for (const pod of workloads) {
    for (const { containerPort } of findContainerPorts(pod)) containerPorts.add(containerPort);
    for (const [target, served] of servedPortsOf(pod)) {
      containerPorts.add(target);
      for (const { service, port } of served) servicePorts.set(port.port, { service, target });
    }
  }
  return { containerPorts, servicePorts };
}

function findWorkloads(
  policy: ScopedPolicy,
  { set, settings }: Pick<AnalysisInput, "set" | "settings">,
): readonly Pod[] {
  if (targetRefsOf(policy.spec).length > 0) return [];
  const { namespace } = policy.metadata;
  const labels = policy.spec.selector?.matchLabels ?? {};
  const groups = namespace === settings.rootNamespace ? set.index.podsByNamespace.keys() : [namespace];
  const found: Pod[] = [];
  for (const group of groups) {
    const seen = new Set<string>();
    for (const pod of set.index.podsByNamespace.get(group) ?? []) {
      const owner = pod.metadata.ownerReferences[0]?.name;
      if ((owner !== undefined && seen.has(owner)) || !matchLabels(labels, pod.metadata.labels)) continue;
      if (owner !== undefined) seen.add(owner);
      found.push(pod);
    }
  }
  return found;
}
