import { isSpiffeId } from "../identity/is-spiffe-id.ts";
import { spiffeIdParts } from "../identity/spiffe-id.ts";
import { federatedDomains } from "../mesh-settings.ts";
import { expandHost } from "../policy/destinations/destination-rules.ts";
import { matchHost } from "../policy/match-host.ts";
import { formatServiceHost } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { compareAge, formatResourceName } from "../resources/fields/resource-names.ts";
import type { ClientTls, DestinationRule, TrafficPolicy } from "../resources/kinds/destination-rule.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** DestinationRules for unknown hosts, that conflict with each other, or that use unsupported settings. */
export function findDestinationRuleProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  const hosts = [
    ...[...set.services.values()].map((service) => formatServiceHost(service, settings)),
    // The Services of the API server and of DNS: clusters have them, and no folder contains them.
    `kubernetes.default.svc.${settings.clusterDomain}`,
    `kube-dns.kube-system.svc.${settings.clusterDomain}`,
  ];
  const rules = [...set.destinationRules.values()].sort(compareAge);
  return [
    ...rules.flatMap((rule) => findMissingHost(rule, hosts, settings)),
    ...findConflicts(rules, settings),
    ...rules.flatMap(findUnsupportedModes),
    ...rules.flatMap((rule) => findUntrustedServers(rule, settings)),
  ];
}

function findMissingHost(
  rule: DestinationRule,
  hosts: readonly string[],
  settings: AnalysisSettings,
): readonly ConfigProblem[] {
  const { host } = rule.spec;
  const full = expandHost(host, rule.metadata.namespace, settings);
  if (hosts.some((candidate) => matchHost(full, candidate)) || full.endsWith(`.pod.${settings.clusterDomain}`))
    return [];
  const meant = hosts.find((candidate) => candidate.startsWith(`${full}.`));
  const fix = meant === undefined ? "check its spelling and the rule's namespace" : `use ${meant}`;
  const shown = full === host ? host : `${host} (${full})`;
  return [
    createResourceWarning(
      { resource: rule, finding: "ReferencedResourceNotFound", field: "spec.host" },
      `no service has the host ${shown}, so the rule has no effect: ${fix}`,
    ),
  ];
}

/** Rules of one host in one namespace are merged; the later one's traffic policy and repeated subsets are ignored. */
function findConflicts(rules: readonly DestinationRule[], settings: AnalysisSettings): readonly ConfigProblem[] {
  const first = new Map<string, DestinationRule>();
  return rules.flatMap((rule) => {
    if (rule.spec.trafficPolicy === undefined || rule.spec.workloadSelector !== undefined) return [];
    const { namespace } = rule.metadata;
    const key = `${namespace}/${expandHost(rule.spec.host, namespace, settings)}`;
    const winner = first.get(key);
    if (winner === undefined) {
      first.set(key, rule);
      return [];
    }
    const message = `is not used: ${formatResourceName(winner)} has the same host and is older; merge them`;
    return [
      createResourceWarning(
        { resource: rule, finding: "OverriddenDestinationRule", field: "spec.trafficPolicy", other: winner },
        message,
      ),
    ];
  });
}

/** A server with such a name is refused in every handshake. */
function findUntrustedServers(rule: DestinationRule, settings: AnalysisSettings): readonly ConfigProblem[] {
  const { trustDomain, trustDomainAliases = [], caCertificates = [] } = settings;
  if (trustDomain === undefined) return [];
  const known = [trustDomain, ...trustDomainAliases, ...federatedDomains({ caCertificates })];
  return listTlsBlocks(rule).flatMap(([path, { mode, subjectAltNames }]) => {
    const names = mode === "ISTIO_MUTUAL" ? subjectAltNames.filter(isSpiffeId) : [];
    return names.flatMap((name) => {
      const domain = spiffeIdParts(name).trustDomain;
      if (known.includes(domain)) return [];
      const message = `the mesh does not trust ${domain}, so a server with this name is refused: add the domain to the mesh configuration's caCertificates`;
      const field = `${path}.subjectAltNames`;
      return [createResourceWarning({ resource: rule, finding: "UntrustedServer", field }, message)];
    });
  });
}

function findUnsupportedModes(rule: DestinationRule): readonly ConfigProblem[] {
  return listTlsBlocks(rule)
    .filter(([, tls]) => tls.mode === "SIMPLE" || tls.mode === "MUTUAL")
    .map(([path, { mode }]) =>
      createResourceWarning(
        { resource: rule, finding: "UnsupportedSetting", field: `${path}.mode` },
        `${mode} is not supported yet: connections to this host are refused`,
      ),
    );
}

/** With their paths in the rule. */
function listTlsBlocks(rule: DestinationRule): readonly [string, ClientTls][] {
  const policies: [string, TrafficPolicy | undefined][] = [
    ["spec.trafficPolicy", rule.spec.trafficPolicy],
    ...rule.spec.subsets.map((subset, index): [string, TrafficPolicy | undefined] => [
      `spec.subsets[${index}].trafficPolicy`,
      subset.trafficPolicy,
    ]),
  ];
  return policies.flatMap(([path, policy]) => tlsBlocks(path, policy));
}

function tlsBlocks(path: string, policy: TrafficPolicy | undefined): readonly [string, ClientTls][] {
  if (policy === undefined) return [];
  const ofPorts = policy.portLevelSettings.flatMap(({ tls }, index): [string, ClientTls][] =>
    tls === undefined ? [] : [[`${path}.portLevelSettings[${index}].tls`, tls]],
  );
  return policy.tls === undefined ? ofPorts : [[`${path}.tls`, policy.tls], ...ofPorts];
}
