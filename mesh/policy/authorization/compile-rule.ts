import type { ConnectionFacts, ConnectionTest, RequestFacts, RequestTest } from "../conditions/attributes.ts";
import { compileCondition } from "../conditions/compile-condition.ts";
import type { AuthorizationAction, AuthorizationClause, AuthorizationRule } from "./authorization.ts";
import { keysOfCondition, type RuleKey } from "./rule-keys.ts";

/** Whether requests are judged, or a connection of which nothing of HTTP is known. */
export type Scope = "request" | "stream";

/** A rule of which one clause of each group must hold. A rule without groups matches everything. */
export interface CompiledRule {
  readonly id: string;
  readonly groups: readonly (readonly CompiledClause[])[];
}

/** Conditions of which all must hold. */
interface CompiledClause {
  readonly connection: readonly ConnectionTest[];
  readonly request: readonly RequestTest[];
  /** Keys of a connection, and of a request, of which each must have one; undefined: no such key is known. */
  readonly connectionKeys: readonly RuleKey[] | undefined;
  readonly requestKeys: readonly RuleKey[] | undefined;
}

/**
 * What is left of a rule on one connection: groups of which one clause must hold. Empty: the rule matches whatever is
 * requested.
 */
export type OpenRule = readonly (readonly (readonly RequestTest[])[])[];

/**
 * Compiles a rule. Where a condition is unusable, or needs a request and there is none, a rule that allows is dropped as
 * a whole (undefined), and another one loses the condition: so it denies more and never less.
 */
export function compileRule(
  rule: AuthorizationRule,
  { id, action, scope }: { readonly id: string; readonly action: AuthorizationAction; readonly scope: Scope },
): CompiledRule | undefined {
  const groups: (readonly CompiledClause[])[] = [];
  for (const clauses of [rule.from, rule.to, [rule.when]]) {
    const compiled = clauses.map((clause) => compileClause(clause, scope));
    const isComplete = compiled.every((clause, index) => sizeOf(clause) === clauses[index]?.length);
    if (action === "ALLOW" && !isComplete) return undefined;
    const matchesAll = clauses.length === 0 || compiled.some((clause) => sizeOf(clause) === 0);
    if (!matchesAll) groups.push(compiled);
  }
  return { id, groups };
}

function sizeOf({ connection, request }: CompiledClause): number {
  return connection.length + request.length;
}

function compileClause(clause: AuthorizationClause, scope: Scope): CompiledClause {
  const connection: ConnectionTest[] = [];
  const request: RequestTest[] = [];
  let connectionKeys: readonly RuleKey[] | undefined;
  let requestKeys: readonly RuleKey[] | undefined;
  for (const condition of clause) {
    const compiled = compileCondition(condition);
    if (compiled.kind === "connection") {
      connection.push(compiled.test);
      connectionKeys ??= keysOfCondition(condition);
    } else if (compiled.kind === "request" && scope === "request") {
      request.push(compiled.test);
      requestKeys ??= keysOfCondition(condition);
    }
  }
  return { connection, request, connectionKeys, requestKeys };
}

/** Decides what depends on the connection alone. undefined: the rule matches nothing there. */
export function openRule({ groups }: CompiledRule, facts: ConnectionFacts): OpenRule | undefined {
  const open: (readonly (readonly RequestTest[])[])[] = [];
  for (const clauses of groups) {
    const left = clauses.filter(({ connection }) => connection.every((test) => test(facts)));
    if (left.length === 0) return undefined;
    if (left.every(({ request }) => request.length > 0)) open.push(left.map(({ request }) => request));
  }
  return open;
}

/** What is left of a rule on every connection. undefined: it has conditions on the connection. */
export function openFixedRule(rule: CompiledRule | undefined): OpenRule | undefined {
  const isFixed = rule?.groups.every((clauses) => clauses.every(({ connection }) => connection.length === 0));
  return isFixed ? rule?.groups.map((clauses) => clauses.map(({ request }) => request)) : undefined;
}

export function matchesRequest(rule: OpenRule, facts: RequestFacts): boolean {
  for (const clauses of rule) if (!matchesOne(clauses, facts)) return false;
  return true;
}

function matchesOne(clauses: OpenRule[number], facts: RequestFacts): boolean {
  for (const tests of clauses) if (matchesAll(tests, facts)) return true;
  return false;
}

function matchesAll(tests: readonly RequestTest[], facts: RequestFacts): boolean {
  for (const test of tests) if (!test(facts)) return false;
  return true;
}
