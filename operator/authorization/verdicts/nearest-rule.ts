import type {
  Authorization,
  AuthorizationAttributes,
  AuthorizationClause,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "../../../mesh/policy/authorization/authorization.ts";
import { ConnectionFacts, RequestFacts } from "../../../mesh/policy/conditions/attributes.ts";
import { compileCondition } from "../../../mesh/policy/conditions/compile-condition.ts";
import { type ActualValue, actualValueOf } from "./actual-value.ts";

/** A condition that keeps a rule from matching, and what there is instead. */
export interface RuleDifference {
  readonly clause: "from" | "to" | "when";
  readonly condition: AuthorizationCondition;
  readonly actual: ActualValue;
}

/** A rule that would allow what was denied, if nothing differed. */
export interface NearestRule {
  /** `AuthorizationPolicy/NAME.NAMESPACE` has `namespace` and `name` as in the resource. */
  readonly namespace: string;
  readonly name: string;
  readonly rule: number;
  readonly differences: readonly RuleDifference[];
}

/**
 * The rule of a policy that allows with the fewest conditions that do not hold; `undefined`: no policy in force has a rule
 * that allows. Of two that are equally near, the one that means this client is taken, then the first. Of the entries of
 * `from` and `to` the nearest is compared, since one of each is enough.
 */
export function findNearestRule(
  { policies }: Pick<Authorization, "policies">,
  attributes: AuthorizationAttributes,
): NearestRule | undefined {
  const facts = createFacts(attributes);
  return policies
    .filter(({ action, isDryRun }) => action === "ALLOW" && !isDryRun)
    .flatMap(({ namespace, name, rules }) =>
      rules.map((rule, index) => ({ namespace, name, rule: index, differences: findDifferences(rule, facts) })),
    )
    .reduce<NearestRule | undefined>(
      (best, next) => (best === undefined || isNearer(next, best) ? next : best),
      undefined,
    );
}

/** Whether a condition speaks of a request, so that it cannot be tested on a stream. */
function needsRequest(condition: AuthorizationCondition): boolean {
  return compileCondition(condition).kind === "request";
}

/**
 * What a rule means on a port that carries a stream: a rule that allows is dropped as a whole if any of its conditions
 * needs a request; of other rules the conditions are dropped, so that they match more.
 */
export function ruleOnStreams(
  { action }: Pick<AuthorizationPolicyRules, "action">,
  rule: AuthorizationRule,
): "same" | "dropped" | "wider" {
  if (![...rule.from, ...rule.to, rule.when].some((clause) => clause.some(needsRequest))) return "same";
  return action === "ALLOW" ? "dropped" : "wider";
}

interface Facts {
  readonly attributes: AuthorizationAttributes;
  readonly connection: ConnectionFacts;
  readonly request: RequestFacts | undefined;
}

function createFacts(attributes: AuthorizationAttributes): Facts {
  const { connection, request } = attributes;
  return {
    attributes,
    connection: new ConnectionFacts(connection),
    request: request === undefined ? undefined : new RequestFacts(request),
  };
}

/** One condition that cannot be tested drops the whole rule, in whichever entry it is. */
function findDifferences(rule: AuthorizationRule, facts: Facts): readonly RuleDifference[] {
  const all = [
    ...rule.from.map((clause) => judgeClause("from", clause, facts)),
    ...rule.to.map((clause) => judgeClause("to", clause, facts)),
    judgeClause("when", rule.when, facts),
  ];
  const unmetOf = (clause: RuleDifference["clause"]) =>
    all.filter((judged) => judged.clause === clause).map(({ unmet }) => unmet);
  return [
    ...fewest(unmetOf("from")),
    ...fewest(unmetOf("to")),
    ...unmetOf("when").flat(),
    ...all.flatMap(({ untestable }) => untestable),
  ];
}

interface JudgedClause {
  readonly clause: RuleDifference["clause"];
  readonly unmet: readonly RuleDifference[];
  readonly untestable: readonly RuleDifference[];
}

function judgeClause(
  clause: RuleDifference["clause"],
  conditions: AuthorizationClause,
  { attributes, connection, request }: Facts,
): JudgedClause {
  const unmet: RuleDifference[] = [];
  const untestable: RuleDifference[] = [];
  for (const condition of conditions) {
    const difference = { clause, condition, actual: actualValueOf(condition.key, attributes) };
    const compiled = compileCondition(condition);
    if (compiled.kind === "unusable") untestable.push({ ...difference, actual: { kind: "unusable" } });
    else if (compiled.kind === "connection") {
      if (!compiled.test(connection)) unmet.push(difference);
    } else if (request === undefined) untestable.push(difference);
    else if (!compiled.test(request)) unmet.push(difference);
  }
  return { clause, unmet, untestable };
}

function fewest(entries: readonly (readonly RuleDifference[])[]): readonly RuleDifference[] {
  return entries.reduce((best, next) => (next.length < best.length ? next : best), entries[0] ?? []);
}

function isNearer(left: NearestRule, right: NearestRule): boolean {
  const byCount = left.differences.length - right.differences.length;
  return byCount === 0 ? countFrom(left) < countFrom(right) : byCount < 0;
}

function countFrom({ differences }: NearestRule): number {
  return differences.filter(({ clause }) => clause === "from").length;
}
