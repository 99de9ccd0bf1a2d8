import type {
  AuthorizationAction,
  AuthorizationPolicyRules,
  PathNormalization,
} from "../../mesh/policy/authorization/authorization.ts";
import { workloadInfo } from "../../mesh/policy/workloads.ts";
import { formatResourceKey, formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { AuthorizationPolicy } from "../../mesh/resources/kinds/authorization-policy.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { describeMode, describePodPorts, type ModeDescription } from "../describe/port-description.ts";
import type { TlsFacts } from "../tls/tls-table.ts";
import { decidePodRules } from "./server-facts.ts";
import { ruleOnStreams } from "./verdicts/nearest-rule.ts";
import { titleOfPolicy } from "./verdicts/policy-verdict.ts";
import { formatRule } from "./verdicts/rule-text.ts";

/** Which policies decide what clients may do at a pod. */
export interface PodAuthorization {
  /** `Pod/NAME.NAMESPACE` */
  readonly pod: string;
  readonly workload: string;
  /** `none`: nothing is enforced, whatever policies select the pod. */
  readonly proxy: "sidecar" | "gateway" | "none";
  /** In the order of evaluation. */
  readonly policies: readonly AppliedPolicy[];
  /** What happens to what no rule matches. */
  readonly byDefault: "allowed" | "denied";
  readonly tokens: readonly AppliedTokenRule[];
  readonly pathNormalization: PathNormalization;
  /** Absent: the pod has no sidecar. */
  readonly plaintext?: PlaintextAccess;
}

export interface AppliedPolicy {
  /** `AuthorizationPolicy/NAME.NAMESPACE` */
  readonly policy: string;
  readonly namespace: string;
  readonly name: string;
  readonly action: AuthorizationAction;
  readonly provider?: string;
  readonly isDryRun: boolean;
  readonly scope: PolicyScope;
  readonly rules: readonly AppliedRule[];
}

export interface PolicyScope {
  readonly kind: "mesh" | "namespace" | "selector" | "target";
  /** Of a selector. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The policy is invalid, and one that denies everything in its scope stands in for it. */
  readonly isStandIn: boolean;
}

export interface AppliedRule {
  readonly index: number;
  readonly text: string;
  /** What it means on a port that carries a stream. */
  readonly onStreams: "same" | "dropped" | "wider";
}

export interface AppliedTokenRule {
  /** `RequestAuthentication/NAME.NAMESPACE[INDEX]` */
  readonly rule: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
}

/** By which mode clients without an identity may connect. */
export interface PlaintextAccess {
  readonly mode: ModeDescription["mode"];
  readonly rule: string;
  /** Ports with another mode. */
  readonly exceptions: readonly {
    readonly port: number;
    readonly mode: ModeDescription["mode"];
    readonly rule: string;
  }[];
}

/** The order in which a proxy asks. AUDIT changes no verdict. */
const ORDER: readonly AuthorizationAction[] = ["CUSTOM", "AUDIT", "DENY", "ALLOW"];

/** The policies that the pod's proxy receives, in the order in which it asks them. */
export function describePodAuthorization(facts: TlsFacts, pod: Pod): PodAuthorization {
  const rules = decidePodRules(facts, pod);
  const policies = rules?.authorization.policies ?? [];
  const ordered = ORDER.flatMap((action) => policies.filter((policy) => policy.action === action));
  const hasAllow = policies.some(({ action, isDryRun }) => action === "ALLOW" && !isDryRun);
  return {
    pod: formatResourceName(pod),
    workload: workloadInfo(pod).workload,
    proxy: rules?.proxy ?? "none",
    policies: ordered.map((policy) => describePolicy(facts, policy)),
    byDefault: hasAllow ? "denied" : "allowed",
    tokens: (rules?.tokenRules ?? []).map(({ name, issuer, audiences }) => ({ rule: name, issuer, audiences })),
    pathNormalization: rules?.authorization.pathNormalization ?? "BASE",
    ...(rules?.proxy === "sidecar" ? { plaintext: describePlaintext(facts, pod) } : {}),
  };
}

function describePolicy(facts: TlsFacts, policy: AuthorizationPolicyRules): AppliedPolicy {
  const { namespace, name, action, provider, isDryRun, rules } = policy;
  return {
    policy: titleOf(facts, policy),
    namespace,
    name,
    action,
    ...(provider === "" ? {} : { provider }),
    isDryRun,
    scope: describeScope(facts, policy),
    rules: rules.map((rule, index) => ({ index, text: formatRule(rule), onStreams: ruleOnStreams(policy, rule) })),
  };
}

/** The stand-in for an invalid RequestAuthentication can be a policy that denies. */
function titleOf({ set }: TlsFacts, policy: AuthorizationPolicyRules): string {
  const key = formatResourceKey(policy.namespace, policy.name);
  if (set.authorizationPolicies.has(key) || !set.requestAuthentications.has(key)) return titleOfPolicy(policy);
  return formatResourceName({ kind: "RequestAuthentication", metadata: policy });
}

function describeScope({ set, settings }: TlsFacts, { namespace, name }: AuthorizationPolicyRules): PolicyScope {
  const found = (set.index.authorizationPoliciesByNamespace.get(namespace) ?? []).find(
    ({ metadata }) => metadata.name === name,
  );
  const isStandIn = found?.standsInFor !== undefined;
  const labels = found?.spec.selector?.matchLabels ?? {};
  if (Object.keys(labels).length > 0) return { kind: "selector", labels, isStandIn };
  if (found !== undefined && hasTarget(found)) return { kind: "target", isStandIn };
  const isForMesh = namespace === settings.rootNamespace || found?.standsInFor === "mesh";
  return { kind: isForMesh ? "mesh" : "namespace", isStandIn };
}

function hasTarget({ spec }: AuthorizationPolicy): boolean {
  return spec.targetRef !== undefined || spec.targetRefs.length > 0;
}

function describePlaintext(facts: TlsFacts, pod: Pod): PlaintextAccess {
  const { mode, rule } = describeMode(facts, pod);
  const exceptions = describePodPorts(facts, pod)
    .filter((port) => port.mode.mode !== mode)
    .map((port) => ({ port: port.port, mode: port.mode.mode, rule: port.mode.rule }));
  return { mode, rule, exceptions };
}
