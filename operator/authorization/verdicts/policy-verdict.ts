import type {
  Authorization,
  AuthorizationAction,
  AuthorizationAttributes,
  AuthorizationPolicyRules,
  AuthorizationVerdict,
} from "../../../mesh/policy/authorization/authorization.ts";
import { compileAuthorization, decideAuthorization } from "../../../mesh/policy/authorization/decide-authorization.ts";
import { formatResourceName } from "../../../mesh/resources/fields/resource-names.ts";
import { findNearestRule, type NearestRule, ruleOnStreams } from "./nearest-rule.ts";
import { formatRule } from "./rule-text.ts";

/** A rule of a policy, and what it matches in words. */
export interface RuleReference {
  /** `AuthorizationPolicy/NAME.NAMESPACE` */
  readonly policy: string;
  readonly action: AuthorizationAction;
  readonly rule: number;
  readonly text: string;
  /** On a stream a rule that does not allow matches without its conditions of HTTP. */
  readonly isWider: boolean;
}

/** What the policies of a workload decide, and why. */
export type PolicyVerdict =
  /** `no-policy`: none applies. `no-allow-policy`: those that apply allow whatever they do not deny. */
  | { readonly kind: "allowed"; readonly by: "no-policy" | "no-allow-policy" }
  | { readonly kind: "allowed"; readonly by: "rule"; readonly rule: RuleReference }
  /** A policy with DENY or CUSTOM. `otherwise`: the verdict without all of these. */
  | {
      readonly kind: "denied";
      readonly by: "rule";
      readonly rule: RuleReference;
      readonly otherwise: PolicyVerdict;
    }
  /** No rule of the policies that allow matches. */
  | {
      readonly kind: "denied";
      readonly by: "no-rule";
      readonly policies: readonly string[];
      readonly nearest?: NearestRule;
    };

/** What the policies in dry run with one action would have decided. */
export interface DryRunVerdict {
  readonly action: "ALLOW" | "DENY";
  readonly result: "allowed" | "denied";
  /** Absent: no rule matched. */
  readonly rule?: RuleReference;
}

export interface PolicyExplanation {
  readonly verdict: PolicyVerdict;
  /** Whether the request would be logged by a policy with the action AUDIT. */
  readonly isAudited: boolean;
  readonly dryRun: readonly DryRunVerdict[];
}

/** The decision of a workload's proxy, by the same function, with its reasons. */
export function explainPolicies(authorization: Authorization, attributes: AuthorizationAttributes): PolicyExplanation {
  const decided = decideAuthorization(compileAuthorization(authorization), attributes);
  const { allow, deny } = decided.dryRun;
  const lookup: RuleLookup = { policies: authorization.policies, isStream: attributes.request === undefined };
  return {
    verdict: explainVerdict(authorization, attributes, decided),
    isAudited: decided.isAudited,
    dryRun: [
      ...(deny === undefined ? [] : [dryRunVerdict(lookup, "DENY", deny)]),
      ...(allow === undefined ? [] : [dryRunVerdict(lookup, "ALLOW", allow)]),
    ],
  };
}

function explainVerdict(
  authorization: Authorization,
  attributes: AuthorizationAttributes,
  { kind, ruleId }: AuthorizationVerdict,
): PolicyVerdict {
  const { policies } = authorization;
  const rule = findRule({ policies, isStream: attributes.request === undefined }, ruleId);
  const inForce = policies.filter(({ isDryRun }) => !isDryRun);
  if (kind === "allowed") {
    if (rule !== undefined) return { kind, by: "rule", rule };
    return { kind, by: inForce.length === 0 ? "no-policy" : "no-allow-policy" };
  }
  if (rule !== undefined) {
    const rest = { ...authorization, policies: inForce.filter(({ action }) => action === "ALLOW") };
    return { kind, by: "rule", rule, otherwise: explainPolicies(rest, attributes).verdict };
  }
  const allowing = inForce.filter(({ action }) => action === "ALLOW");
  const nearest = findNearestRule(authorization, attributes);
  return {
    kind,
    by: "no-rule",
    policies: allowing.map(titleOfPolicy),
    ...(nearest === undefined ? {} : { nearest }),
  };
}

function dryRunVerdict(
  lookup: RuleLookup,
  action: DryRunVerdict["action"],
  { result, ruleId }: { readonly result: DryRunVerdict["result"]; readonly ruleId: string },
): DryRunVerdict {
  const rule = findRule(lookup, ruleId);
  return { action, result, ...(rule === undefined ? {} : { rule }) };
}

/** `AuthorizationPolicy/NAME.NAMESPACE` */
export function titleOfPolicy({ namespace, name }: Pick<AuthorizationPolicyRules, "namespace" | "name">): string {
  return formatResourceName({ kind: "AuthorizationPolicy", metadata: { name, namespace } });
}

interface RuleLookup extends Pick<Authorization, "policies"> {
  readonly isStream: boolean;
}

/** The rule that an id of a verdict names. */
function findRule({ policies, isStream }: RuleLookup, ruleId: string): RuleReference | undefined {
  const [, namespace, name, index] = /ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[(\d+)\]/.exec(ruleId) ?? [];
  const policy = policies.find((one) => one.namespace === namespace && one.name === name);
  const rule = policy?.rules[Number(index)];
  if (policy === undefined || rule === undefined) return undefined;
  const isWider = isStream && ruleOnStreams(policy, rule) === "wider";
  return { policy: titleOfPolicy(policy), action: policy.action, rule: Number(index), text: formatRule(rule), isWider };
}
