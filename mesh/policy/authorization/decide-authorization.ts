import { ConnectionFacts, RequestFacts } from "../conditions/attributes.ts";
import type {
  Authorization,
  AuthorizationAction,
  AuthorizationAttributes,
  AuthorizationPolicyRules,
  AuthorizationVerdict,
  ConnectionAttributes,
  RequestAttributes,
} from "./authorization.ts";
import { type CompiledRule, compileRule, type Scope } from "./compile-rule.ts";
import { type OpenRuleGroup, RuleGroup } from "./rule-group.ts";

/** Policies in the form in which they are evaluated, made once for each version of them. */
export interface CompiledAuthorization {
  readonly request: RuleGroups;
  readonly stream: RuleGroups;
}

/** The rules of each action together; undefined: no policy has it. */
type RuleGroups = Readonly<Partial<Record<GroupName, RuleGroup>>>;

/** Policies in dry run are judged on their own. */
type GroupName = AuthorizationAction | "dryRunAllow" | "dryRunDeny";

/** The verdicts on one connection: what does not depend on the request is decided already. */
export interface ConnectionAuthorization {
  /** For a connection of which nothing of HTTP is known. */
  readonly decideStream: () => AuthorizationVerdict;
  readonly decideRequest: (request: RequestAttributes) => AuthorizationVerdict;
}

export function compileAuthorization({ policies }: Pick<Authorization, "policies">): CompiledAuthorization {
  return { request: compileGroups(policies, "request"), stream: compileGroups(policies, "stream") };
}

function compileGroups(policies: readonly AuthorizationPolicyRules[], scope: Scope): RuleGroups {
  const groups = [...Map.groupBy(policies, groupOf)];
  return Object.fromEntries(
    groups.map(([name, ofGroup]) => [name, new RuleGroup(ofGroup.flatMap((policy) => compilePolicy(policy, scope)))]),
  );
}

/** Only ALLOW and DENY have a dry run. */
function groupOf({ action, isDryRun }: AuthorizationPolicyRules): GroupName {
  if (!isDryRun) return action;
  if (action === "ALLOW") return "dryRunAllow";
  return action === "DENY" ? "dryRunDeny" : action;
}

function compilePolicy(policy: AuthorizationPolicyRules, scope: Scope): readonly CompiledRule[] {
  return policy.rules
    .map((rule, index) => compileRule(rule, { id: formatRuleId(policy, index), action: policy.action, scope }))
    .filter((rule) => rule !== undefined);
}

/** The id as in Istio. There is no provider, so a CUSTOM rule denies as one whose provider is not configured. */
function formatRuleId({ namespace, name, action, provider }: AuthorizationPolicyRules, index: number): string {
  const id = `ns[${namespace}]-policy[${name}]-rule[${index}]`;
  return action === "CUSTOM" ? `istio-ext-authz-${provider}-${id}-deny-due-to-bad-CUSTOM-action` : id;
}

/** Decides about one request, or about a stream. For more requests of a connection use `authorizeConnection`. */
export function decideAuthorization(
  compiled: CompiledAuthorization,
  { connection, request }: AuthorizationAttributes,
): AuthorizationVerdict {
  const authorization = authorizeConnection(compiled, connection);
  return request === undefined ? authorization.decideStream() : authorization.decideRequest(request);
}

/** Each rule's conditions on the connection are evaluated once, when the first stream or request is judged. */
export function authorizeConnection(
  compiled: CompiledAuthorization,
  connection: ConnectionAttributes,
): ConnectionAuthorization {
  const facts = new ConnectionFacts(connection);
  let requests: OpenGroups | undefined;
  return {
    decideStream: () => decide(openGroups(compiled.stream, facts), ({ certain }) => certain),
    decideRequest: (attributes) => {
      requests ??= openGroups(compiled.request, facts);
      const request = new RequestFacts(attributes);
      return decide(requests, ({ findMatch }) => findMatch(request));
    },
  };
}

type OpenGroups = Readonly<Partial<Record<GroupName, OpenRuleGroup>>>;

function openGroups(groups: RuleGroups, facts: ConnectionFacts): OpenGroups {
  return Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, group.open(facts)]));
}

type FindMatch = (group: OpenRuleGroup) => string | undefined;

/**
 * CUSTOM, then DENY, then ALLOW: the first that denies decides. Where a policy allows, nothing else is allowed. AUDIT
 * comes after CUSTOM and changes nothing.
 */
function decide(groups: OpenGroups, findMatch: FindMatch): AuthorizationVerdict {
  const match = (name: GroupName): string | undefined => {
    const group = groups[name];
    return group === undefined ? undefined : findMatch(group);
  };
  const dryRun = decideDryRun(groups, match);
  const custom = match("CUSTOM");
  if (custom !== undefined) return { kind: "denied", ruleId: custom, isAudited: false, dryRun };
  const isAudited = match("AUDIT") !== undefined;
  const denied = match("DENY");
  if (denied !== undefined) return { kind: "denied", ruleId: denied, isAudited, dryRun };
  const allowed = match("ALLOW");
  const isAllowed = allowed !== undefined || groups.ALLOW === undefined;
  return { kind: isAllowed ? "allowed" : "denied", ruleId: allowed ?? NO_RULE, isAudited, dryRun };
}

const NO_RULE = "none";
const NO_DRY_RUN: AuthorizationVerdict["dryRun"] = {};

function decideDryRun(
  { dryRunAllow, dryRunDeny }: OpenGroups,
  match: (name: GroupName) => string | undefined,
): AuthorizationVerdict["dryRun"] {
  if (dryRunAllow === undefined && dryRunDeny === undefined) return NO_DRY_RUN;
  const allow = match("dryRunAllow");
  const deny = match("dryRunDeny");
  return {
    ...(dryRunAllow && { allow: { result: allow === undefined ? "denied" : "allowed", ruleId: allow ?? NO_RULE } }),
    ...(dryRunDeny && { deny: { result: deny === undefined ? "allowed" : "denied", ruleId: deny ?? NO_RULE } }),
  };
}
