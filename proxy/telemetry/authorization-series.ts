import type { AuthorizationVerdict } from "../../mesh/policy/authorization/authorization.ts";
import { createLabelBound } from "./label-sets.ts";
import type { AuthorizationMeter, JudgedProtocol } from "./request-meter.ts";

/** How many rules are counted alone: operators name them, and a page of metrics has a limit. */
const MAX_RULES = 500;

/** What a verdict says: the one in force, or one of policies in dry run, by their action. */
export type VerdictKind = "enforced" | "dry_run_allow" | "dry_run_deny" | "audited";

/** How often a rule decided in one way. */
export interface VerdictTotal {
  readonly kind: VerdictKind;
  readonly protocol: JudgedProtocol;
  readonly result: "allowed" | "denied";
  /** A rule's id, `none`, or `other`. */
  readonly rule: string;
  readonly count: number;
}

export interface AuthorizationSeries {
  readonly count: AuthorizationMeter["countVerdict"];
  totals(kind: VerdictKind): Iterable<VerdictTotal>;
}

type Total = { -readonly [Key in keyof VerdictTotal]: VerdictTotal[Key] };

/** Counts verdicts by rule. On the data path: no allocation for a known rule. */
export function createAuthorizationSeries(): AuthorizationSeries {
  const boundRule = createLabelBound(MAX_RULES);
  const kinds: Readonly<Record<VerdictKind, Map<string, Total[]>>> = {
    enforced: new Map(),
    dry_run_allow: new Map(),
    dry_run_deny: new Map(),
    audited: new Map(),
  };
  const add = (
    kind: VerdictKind,
    protocol: JudgedProtocol,
    { result, ruleId }: { readonly result: VerdictTotal["result"]; readonly ruleId: string },
  ): void => {
    const rule = boundRule(ruleId);
    let totals = kinds[kind].get(rule);
    if (totals === undefined) {
      totals = [];
      kinds[kind].set(rule, totals);
    }
    const known = totals.find((total) => total.protocol === protocol && total.result === result);
    if (known === undefined) totals.push({ kind, protocol, result, rule, count: 1 });
    else known.count += 1;
  };
  return {
    count(verdict: AuthorizationVerdict, protocol) {
      const enforced = { result: verdict.kind, ruleId: verdict.ruleId };
      add("enforced", protocol, enforced);
      if (verdict.isAudited) add("audited", protocol, enforced);
      const { allow, deny } = verdict.dryRun;
      if (allow !== undefined) add("dry_run_allow", protocol, allow);
      if (deny !== undefined) add("dry_run_deny", protocol, deny);
    },
    *totals(kind) {
      for (const totals of kinds[kind].values()) yield* totals;
    },
  };
}
