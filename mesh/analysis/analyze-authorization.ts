import { declaredProtocol } from "../policy/declared-protocol.ts";
import { matchLabels } from "../policy/workloads.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceName } from "../resources/fields/resource-names.ts";
import type { AuthorizationPolicy } from "../resources/kinds/authorization-policy.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { findTargetProblems } from "./analyze-policy-targets.ts";
import { findValueProblems } from "./analyze-policy-values.ts";
import {
  fieldsOfRule,
  isOfRequest,
  listFields,
  listRuleFields,
  type RuleField,
  type RuleFields,
} from "./authorization-fields.ts";
import { type AnalysisInput, createAnalysisInput } from "./policy-scope.ts";
import { createResourceWarning } from "./resource-warning.ts";

type Analysis = (policy: AuthorizationPolicy, input: AnalysisInput) => readonly ConfigProblem[];

/** AuthorizationPolicies and RequestAuthentications that select nothing, never match, or match more or less than they seem to. */
export function findAuthorizationProblems(set: ResourceSet, settings: AnalysisSettings): readonly ConfigProblem[] {
  const input = createAnalysisInput(set, settings);
  const analyses: readonly Analysis[] = [
    findTargetProblems,
    findUnsupportedAction,
    findValueProblems,
    findDeniedStreams,
    findUnmatchedStreams,
    findMissingTokens,
    findPlaintextGap,
    findClaimedHosts,
    findServicePorts,
  ];
  const policies = [...set.authorizationPolicies.values()].filter(({ standsInFor }) => standsInFor === undefined);
  const authentications = [...set.requestAuthentications.values()].filter(
    ({ standsInFor }) => standsInFor === undefined,
  );
  return [
    ...policies.flatMap((policy) => analyses.flatMap((analyze) => analyze(policy, input))),
    ...authentications.flatMap((authentication) => findTargetProblems(authentication, input)),
  ];
}

function findUnsupportedAction(policy: AuthorizationPolicy): readonly ConfigProblem[] {
  if (policy.spec.action !== "CUSTOM") return [];
  const message = "CUSTOM is not supported: no extension provider is asked, and everything that matches is denied";
  return [createResourceWarning({ resource: policy, finding: "UnsupportedSetting", field: "spec.action" }, message)];
}

/** In a stream the fields of requests are left out of a rule that denies, which then matches more. */
function findDeniedStreams(policy: AuthorizationPolicy): readonly ConfigProblem[] {
  if (policy.spec.action !== "DENY") return [];
  return listRuleFields(policy)
    .filter(matchesEveryStream)
    .map(({ index }) => {
      const field = `spec.rules[${index}]`;
      const message =
        "denies every connection of ports without HTTP, where its fields cannot be matched: add `ports` to its operations if it is meant for requests alone";
      return createResourceWarning({ resource: policy, finding: "RequestRuleInStream", field }, message);
    });
}

function matchesEveryStream(rule: RuleFields): boolean {
  const isOpen = (entries: RuleFields["from"]): boolean =>
    entries.length === 0 || entries.some((entry) => entry.every(isOfRequest));
  return (
    fieldsOfRule(rule).length > 0 &&
    isOpen(rule.from) &&
    isOpen(rule.to) &&
    rule.when.every((field) => isOfRequest(field))
  );
}

/** In a stream a rule that allows is left out if any of its fields is one of requests. */
function findUnmatchedStreams(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  const rules = listRuleFields(policy);
  if (policy.spec.action !== "ALLOW" || rules.length === 0) return [];
  if (!rules.every((rule) => fieldsOfRule(rule).some(isOfRequest))) return [];
  for (const pod of input.workloadsOf(policy)) {
    const streams = [...input.servedPortsOf(pod).values()]
      .flat()
      .filter(({ port }) => isStream(declaredProtocol(port)));
    const [first] = streams;
    if (first === undefined) continue;
    const { service } = first;
    const ports = streams.flatMap((served) => (served.service === service ? [served.port.port] : []));
    const which = ports.length === 1 ? `port ${ports[0]}` : `the ports ${ports.join(", ")}`;
    const message = `allows nothing on ${which} of ${formatResourceName(service)}, declared as TCP or TLS: connections there are denied, unless another policy allows them; add a rule without fields of requests, with the container port in \`ports\``;
    return [createResourceWarning({ resource: policy, finding: "RequestRuleInStream", other: service }, message)];
  }
  return [];
}

function isStream(protocol: ReturnType<typeof declaredProtocol>): boolean {
  return protocol === "tcp" || protocol === "tls";
}

function findMissingTokens(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  const field = listFields(policy).find(({ key }) => key.startsWith("request.auth."));
  if (field === undefined) return [];
  for (const pod of input.workloadsOf(policy)) {
    if (verifiesTokens(pod, input)) continue;
    const message = `no RequestAuthentication applies to ${formatResourceName(pod)}, so no request there has a verified token: add one, or the field never matches`;
    const subject = {
      resource: policy,
      finding: "MissingRequestAuthentication",
      field: field.path,
      other: pod,
    } as const;
    return [createResourceWarning(subject, message)];
  }
  return [];
}

function verifiesTokens(pod: Pod, { set, settings }: AnalysisInput): boolean {
  const { namespace, labels } = pod.metadata;
  return [namespace, settings.rootNamespace].some((candidate) =>
    (set.index.requestAuthenticationsByNamespace.get(candidate) ?? []).some(
      ({ spec }) => spec.jwtRules.length > 0 && matchLabels(spec.selector?.matchLabels ?? {}, labels),
    ),
  );
}

const IDENTITY_KEYS: readonly string[] = [
  "source.principal",
  "source.namespace",
  "source.serviceAccount",
  "source.trustDomain",
];

/** A client without mutual TLS has no identity, so no rule that denies one matches it. */
function findPlaintextGap(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  if (policy.spec.action !== "DENY") return [];
  const isIdentity = ({ key, isNegative }: RuleField): boolean => !isNegative && IDENTITY_KEYS.includes(key);
  const field = listFields(policy).find(isIdentity);
  if (field === undefined) return [];
  const pod = findPlaintextPod(policy, input);
  if (pod === undefined) return [];
  const message = `does not stop clients in plaintext, which have no identity and are accepted by ${formatResourceName(pod)}: make its PeerAuthentication STRICT, or allow identities instead of denying them`;
  const subject = { resource: policy, finding: "PlaintextEvadesPolicy", field: field.path, other: pod } as const;
  return [createResourceWarning(subject, message)];
}

function findPlaintextPod(policy: AuthorizationPolicy, input: AnalysisInput): Pod | undefined {
  for (const pod of input.workloadsOf(policy)) {
    if (input.modeOf(pod) !== "STRICT") return pod;
  }
  return undefined;
}

/** A sidecar serves requests for any host. */
function findClaimedHosts(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  const field = listFields(policy).find(({ key }) => key === "request.host");
  if (field === undefined) return [];
  const gateways = [...input.set.gateways.values()].filter(({ spec }) => Object.keys(spec.selector).length > 0);
  for (const pod of input.workloadsOf(policy)) {
    if (gateways.some(({ spec }) => matchLabels(spec.selector, pod.metadata.labels))) continue;
    const message = `is compared with what the client says: ${formatResourceName(pod)} serves requests for any host; match \`ports\` or \`paths\` instead, or do this at a gateway`;
    return [
      createResourceWarning({ resource: policy, finding: "ClaimedHost", field: field.path, other: pod }, message),
    ];
  }
  return [];
}

/** A policy is judged where the connection arrives: on the container's port. */
function findServicePorts(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  const fields = listFields(policy).filter(({ key }) => key === "destination.port");
  if (fields.length === 0) return [];
  const { containerPorts, servicePorts } = input.portsOf(policy);
  return fields.flatMap(({ path, values }) =>
    values.flatMap((value) => {
      const found = containerPorts.has(Number(value)) ? undefined : servicePorts.get(Number(value));
      if (found === undefined) return [];
      const { service, target } = found;
      const message = `${value} is a port of ${formatResourceName(service)}, but no container's: connections are judged by the container port, ${target}`;
      const subject = { resource: policy, finding: "ServicePortInPolicy", field: path, other: service } as const;
      return [createResourceWarning(subject, message)];
    }),
  );
}
