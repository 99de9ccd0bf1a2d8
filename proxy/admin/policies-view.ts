import type {
  Authorization,
  AuthorizationAction,
  AuthorizationPolicyRules,
  PathNormalization,
} from "../../mesh/policy/authorization/authorization.ts";
import { parseKeySet } from "../../mesh/policy/request-authentication/key-set.ts";
import type { TokenRule } from "../../mesh/policy/request-authentication/token-rule.ts";
import type { AuthorizationSeries, VerdictKind } from "../telemetry/authorization-series.ts";

/** What the control plane demands of requests to this workload. */
export interface AppliedPolicies {
  readonly authorization: Authorization;
  readonly tokenRules: readonly TokenRule[];
}

/** The policies in force, in the order in which they are asked, with what they have decided since the start. */
export interface PoliciesView {
  readonly state: "active";
  readonly path_normalization: PathNormalization;
  /** Only a gateway reads it. */
  readonly num_trusted_proxies: number;
  readonly total_policies: number;
  readonly policies: readonly PolicyView[];
  /** Requests and streams that no rule has matched. */
  readonly without_rule: DecisionsView;
  readonly total_token_rules: number;
  readonly token_rules: readonly TokenRuleView[];
}

export interface PolicyView extends DecisionsView {
  /** `NAMESPACE/NAME` */
  readonly policy: string;
  readonly action: AuthorizationAction;
  /** Its verdicts have no effect. */
  readonly dry_run: boolean;
  readonly rules: number;
  /** Those that have decided, at most 20. */
  readonly decided_by: readonly string[];
}

/** How often rules decided; with `dry_run`, how often they would have. */
interface DecisionsView {
  readonly allowed: number;
  readonly denied: number;
}

/** One rule of a RequestAuthentication, without its keys. */
export interface TokenRuleView {
  readonly rule: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** How many usable keys there are; `null`: none were fetched yet, and its tokens are refused. */
  readonly keys: number | null;
}

/** How many policies, token rules or audiences one response lists. */
const MAX_LISTED = 1000;
const MAX_RULE_IDS = 20;

const ACTION_ORDER: readonly AuthorizationAction[] = ["CUSTOM", "AUDIT", "DENY", "ALLOW"];

/** Of an id, also one of a CUSTOM policy: `…ns[NAMESPACE]-policy[NAME]-rule[INDEX]…`. */
const RULE_ID = /ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[\d+\]/;

/** Describes what is in force. @param totals the proxy's counters, of which there are a bounded number. */
export function describePolicies(
  { authorization, tokenRules }: AppliedPolicies,
  totals: AuthorizationSeries["totals"],
): PoliciesView {
  const { policies, pathNormalization, numTrustedProxies } = authorization;
  const enforced = countByPolicy(totals, ["enforced"]);
  const dryRun = countByPolicy(totals, ["dry_run_allow", "dry_run_deny"]);
  const describe = (policy: AuthorizationPolicyRules): PolicyView => ({
    policy: `${policy.namespace}/${policy.name}`,
    action: policy.action,
    dry_run: policy.isDryRun,
    rules: policy.rules.length,
    ...decisionsOf((policy.isDryRun ? dryRun : enforced).get(`${policy.namespace}/${policy.name}`)),
  });
  const ordered = policies.toSorted((left, right) => orderOf(left) - orderOf(right));
  const { decided_by: _, ...withoutRule } = decisionsOf(enforced.get(NO_POLICY));
  return {
    state: "active",
    path_normalization: pathNormalization,
    num_trusted_proxies: numTrustedProxies,
    total_policies: policies.length,
    policies: ordered.slice(0, MAX_LISTED).map(describe),
    without_rule: withoutRule,
    total_token_rules: tokenRules.length,
    token_rules: tokenRules.slice(0, MAX_LISTED).map(describeTokenRule),
  };
}

function orderOf({ action }: AuthorizationPolicyRules): number {
  return ACTION_ORDER.indexOf(action);
}

function describeTokenRule({ name, issuer, audiences, jwks }: TokenRule): TokenRuleView {
  return {
    rule: name,
    issuer,
    audiences: audiences.slice(0, MAX_LISTED),
    keys: jwks === undefined ? null : (parseKeySet(jwks)?.length ?? 0),
  };
}

interface Decisions {
  allowed: number;
  denied: number;
  readonly rules: Set<string>;
}

/** Not the name of a policy. */
const NO_POLICY = "";

function countByPolicy(
  totals: AuthorizationSeries["totals"],
  kinds: readonly VerdictKind[],
): ReadonlyMap<string, Decisions> {
  const counted = new Map<string, Decisions>();
  for (const { rule, result, count } of kinds.flatMap((kind) => [...totals(kind)])) {
    const [, namespace, name] = RULE_ID.exec(rule) ?? [];
    const key = namespace === undefined ? NO_POLICY : `${namespace}/${name}`;
    const decisions = counted.get(key) ?? { allowed: 0, denied: 0, rules: new Set() };
    decisions[result] += count;
    decisions.rules.add(rule);
    counted.set(key, decisions);
  }
  return counted;
}

function decisionsOf(decisions: Decisions | undefined): DecisionsView & Pick<PolicyView, "decided_by"> {
  const { allowed = 0, denied = 0, rules = [] } = decisions ?? {};
  return { allowed, denied, decided_by: [...rules].slice(0, MAX_RULE_IDS) };
}
