import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import { isExportedTo } from "../../mesh/policy/destinations/destination-rules.ts";
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

/** The pods with a proxy, by namespace. */
export type ClientIndex = ReadonlyMap<string, readonly Pod[]>;

/** @param namespace only this one; undefined: all */
export function indexClients(set: ResourceSet, namespace: string | undefined): ClientIndex {
  const pods = [...set.pods.values()].filter(
    (pod) => (namespace === undefined || pod.metadata.namespace === namespace) && isActive(pod) && hasProxy(pod),
  );
  return Map.groupBy(pods, ({ metadata }) => metadata.namespace);
}

/**
 * The clients of a host, as few as give all answers. Two namespaces get different answers only by DestinationRules of
 * their own, or by rules that are not exported to both; two pods of one namespace by a workloadSelector.
 */
export class ClientGroups {
  readonly #index: ClientIndex;
  readonly #settings: Pick<MeshSettings, "rootNamespace">;
  /** By the namespaces that are joined: most hosts have the same clients. */
  readonly #joined = new Map<string, TlsClient>();

  constructor(index: ClientIndex, settings: Pick<MeshSettings, "rootNamespace">) {
    this.#index = index;
    this.#settings = settings;
  }

  /** @param rules those that match the host */
  of(rules: readonly DestinationRule[]): readonly TlsClient[] {
    const byKey = Map.groupBy(this.#index.keys(), (viewer) => keyOfNamespace(rules, viewer, this.#settings));
    const selective = rules.filter(({ spec }) => spec.workloadSelector !== undefined);
    return [...byKey.values()].flatMap((namespaces) => {
      const selecting = selective.filter(({ metadata }) => namespaces.includes(metadata.namespace));
      return selecting.length === 0 ? [this.#join(namespaces)] : this.#split(namespaces, selecting);
    });
  }

  #join(namespaces: readonly string[]): TlsClient {
    const key = namespaces.join(" ");
    const known = this.#joined.get(key) ?? clientOf(namespaces.flatMap((name) => this.#index.get(name) ?? []));
    this.#joined.set(key, known);
    return known;
  }

  #split(namespaces: readonly string[], selecting: readonly DestinationRule[]): readonly TlsClient[] {
    const pods = namespaces.flatMap((name) => this.#index.get(name) ?? []);
    const keyOf = (pod: Pod): string =>
      selecting
        .filter((rule) => selects(rule, pod))
        .map(nameOf)
        .join(" ");
    return [...Map.groupBy(pods, keyOf).values()].map(clientOf);
  }
}

/** `hello.ns1`: the workload, which its replicas share. */
export function nameOfClient(pod: Pod): string {
  return `${workloadInfo(pod).workload}.${pod.metadata.namespace}`;
}

function clientOf(pods: readonly Pod[]): TlsClient {
  const [pod] = pods;
  // The index has no namespace without a pod.
  if (pod === undefined) throw new TypeError("a group of clients is empty");
  return { pod, names: [...new Set(pods.map(nameOfClient))].sort() };
}

function keyOfNamespace(
  rules: readonly DestinationRule[],
  viewer: string,
  { rootNamespace }: Pick<MeshSettings, "rootNamespace">,
): string {
  const isOwn = rules.length > 0 && viewer === rootNamespace;
  if (isOwn || rules.some(({ metadata }) => metadata.namespace === viewer)) return `in ${viewer}`;
  const limited = rules.filter(({ spec }) => spec.exportTo.length > 0 && !spec.exportTo.includes("*"));
  const visible = limited.filter(({ spec, metadata }) =>
    isExportedTo({ exportTo: spec.exportTo, owner: metadata.namespace, viewer }),
  );
  return `sees ${visible.map(nameOf).join(",")}`;
}

function selects({ metadata, spec }: DestinationRule, pod: Pod): boolean {
  const { namespace, labels } = pod.metadata;
  return metadata.namespace === namespace && matchLabels(spec.workloadSelector?.matchLabels ?? {}, labels);
}

function nameOf({ metadata }: DestinationRule): string {
  return formatResourceKey(metadata.namespace, metadata.name);
}
