import type { MeshSettings } from "../../mesh-settings.ts";
import { UNREADABLE } from "../../resources/fields/host-keys.ts";
import { isShortHost, normalizeHost } from "../../resources/fields/normalize-host.ts";
import { compareAge, formatResourceName } from "../../resources/fields/resource-names.ts";
import type { DestinationRule, Subset, TrafficPolicy } from "../../resources/kinds/destination-rule.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { findRulesForHost } from "../host-lookup.ts";
import { matchHost, mostSpecificHost } from "../match-host.ts";
import { matchLabels } from "../workloads.ts";

/** The connecting workload. */
export interface Client {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The merged rules for one host, and which rule each part came from. */
export interface MergedRule {
  readonly trafficPolicy: { readonly policy: TrafficPolicy; readonly rule: string } | undefined;
  readonly subsets: readonly { readonly subset: Subset; readonly rule: string }[];
  /** A rule among them that is invalid and has no earlier valid version, if there is one. */
  readonly standIn: string | undefined;
}

export interface RuleLookup {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly client: Client;
  /** Fully qualified host. */
  readonly host: string;
  /** The namespace of the service, or of the pod if it has no service. */
  readonly namespace: string;
}

/**
 * Finds the DestinationRules for a host. Since Istio 1.1 the lookup order is the client's namespace, the service's, the
 * root namespace; the first one with any matching rule wins, however wide its pattern. If none has one, a rule of any
 * namespace applies, as in Istio 1.0: "even though we specify a namespace, this rule applies to all namespaces".
 */
export function findDestinationRule(lookup: RuleLookup): MergedRule | undefined {
  const { set, settings, client, namespace, host } = lookup;
  // Most hosts have no rule: then nothing is read of the client, and the decision is the same for all clients.
  const rules = findRulesForHost(set.index, host, settings.clusterDomain)
    .filter((rule) => rule.standsInFor !== "mesh" && matchHost(fullHost(rule, settings), host))
    .filter((rule) => selectsClient(rule, client))
    .sort(compareAge);
  if (rules.length === 0) return undefined;
  const inNamespace = (searched: string) => rules.filter((rule) => rule.metadata.namespace === searched);
  // A client in the root namespace sees that namespace's private rules first, and its public ones last like every
  // client.
  const isOfRoot = client.namespace === settings.rootNamespace;
  const own = isOfRoot ? inNamespace(client.namespace).filter(isPrivate) : inNamespace(client.namespace);
  for (const candidates of [own, inNamespace(namespace), inNamespace(settings.rootNamespace)]) {
    const found = bestMatch(candidates, lookup).filter((rule) => isVisible(rule, client));
    if (found.length > 0) return merge(found);
  }
  const [best, ...others] = bestMatch(
    rules.filter((rule) => isVisible(rule, client)),
    lookup,
  );
  if (best === undefined) return undefined;
  return merge([best, ...others.filter((rule) => rule.metadata.namespace === best.metadata.namespace)]);
}

/** A rule's fully qualified host: a name without a dot gets the rule's namespace; others are used unchanged. */
export function expandHost(host: string, namespace: string, settings: Pick<MeshSettings, "clusterDomain">): string {
  return normalizeHost(isShortHost(host) ? `${host}.${namespace}.svc.${settings.clusterDomain}` : host);
}

/** The rules with the most specific matching host; several if they share that host. */
function bestMatch(rules: readonly DestinationRule[], { host, settings }: RuleLookup): readonly DestinationRule[] {
  const hosts = rules.map((rule) => fullHost(rule, settings));
  const best = mostSpecificHost(hosts, host);
  return rules.filter((_rule, index) => hosts[index] === best);
}

function fullHost({ spec, metadata }: DestinationRule, settings: RuleLookup["settings"]): string {
  return expandHost(spec.host, metadata.namespace, settings);
}

/**
 * Merges rules of one host in one namespace, oldest first: the first traffic policy applies, and the first subset of
 * each name.
 */
function merge(rules: readonly DestinationRule[]): MergedRule {
  const selective = rules.filter((rule) => rule.spec.workloadSelector !== undefined).slice(0, 1);
  const merged = selective.length > 0 ? selective : rules;
  const subsets = new Map<string, { subset: Subset; rule: string }>();
  for (const rule of merged) {
    for (const subset of rule.spec.subsets) {
      if (!subsets.has(subset.name)) subsets.set(subset.name, { subset, rule: formatResourceName(rule) });
    }
  }
  const speaking = merged.find((rule) => rule.spec.trafficPolicy !== undefined);
  const policy = speaking?.spec.trafficPolicy;
  return {
    trafficPolicy:
      speaking === undefined || policy === undefined ? undefined : { policy, rule: formatResourceName(speaking) },
    subsets: [...subsets.values()],
    standIn: nameOfStandIn(merged),
  };
}

/** An invalid rule whose host is not readable: it may be for any host that the client dials. */
export function findUnreadableRule(set: ResourceSet): string | undefined {
  return nameOfStandIn(set.index.destinationRulesByHost.get(UNREADABLE) ?? []);
}

function nameOfStandIn(rules: readonly DestinationRule[]): string | undefined {
  const found = rules.find(({ standsInFor }) => standsInFor !== undefined);
  return found && formatResourceName(found);
}

/** A rule with a workload selector is private to its namespace, whatever `exportTo` is. */
function selectsClient(rule: DestinationRule, client: Client): boolean {
  const { workloadSelector } = rule.spec;
  if (workloadSelector === undefined) return true;
  return rule.metadata.namespace === client.namespace && matchLabels(workloadSelector.matchLabels, client.labels);
}

function isPrivate(rule: DestinationRule): boolean {
  return rule.spec.workloadSelector !== undefined || rule.spec.exportTo.join() === ".";
}

function isVisible(rule: DestinationRule, client: Client): boolean {
  return isExportedTo({ exportTo: rule.spec.exportTo, owner: rule.metadata.namespace, viewer: client.namespace });
}

/** Whether `exportTo` makes a resource visible in a namespace: empty means everywhere, `.` its own namespace. */
export function isExportedTo(input: {
  readonly exportTo: readonly string[];
  readonly owner: string;
  readonly viewer: string;
}): boolean {
  const { exportTo, owner, viewer } = input;
  if (exportTo.length === 0 || exportTo.includes("*")) return true;
  return exportTo.includes(viewer) || (exportTo.includes(".") && owner === viewer);
}
