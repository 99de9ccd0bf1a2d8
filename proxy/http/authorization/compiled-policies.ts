import type {
  Authorization,
  AuthorizationCondition,
  AuthorizationPolicyRules,
} from "../../../mesh/policy/authorization/authorization.ts";
import {
  type CompiledAuthorization,
  compileAuthorization,
} from "../../../mesh/policy/authorization/decide-authorization.ts";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import { judgeOnce } from "../../connections/judge-once.ts";

/** A workload's policies, compiled once for each version of them. */
export interface CompiledPolicies {
  readonly compiled: CompiledAuthorization;
  /** Only those whose verdict has an effect; `undefined`: all of them. */
  readonly effective: CompiledAuthorization | undefined;
  /** Whether a rule reads the address of a client in front of proxies. */
  readonly readsRemoteIp: boolean;
  /** As `fieldNamesOf` returns them. */
  readonly fieldNames: ReadonlySet<string>;
}

/**
 * The fields that rules ask for, as `foldHeaderName` returns them. They must not come in trailers: no policy has judged
 * those, and some servers read them as fields of the request (compare CVE-2013-5704).
 */
export function fieldNamesOf(policies: CompiledPolicies | undefined): ReadonlySet<string> {
  return policies?.fieldNames ?? NO_NAMES;
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Reads the policies in force, compiled. `undefined`: none applies. @param current the same value until it changes */
export function compiledPolicies(current: () => Authorization): () => CompiledPolicies | undefined {
  return judgeOnce(current, compile);
}

function compile({ policies }: Authorization): CompiledPolicies | undefined {
  if (policies.length === 0) return undefined;
  const effective = policies.filter(isEffective);
  return {
    compiled: compileAuthorization({ policies }),
    effective: effective.length === policies.length ? undefined : compileAuthorization({ policies: effective }),
    readsRemoteIp: policies.some(readsRemoteIp),
    fieldNames: new Set(effective.flatMap(({ rules }) => rules.flatMap(({ when }) => when.flatMap(fieldNameOf)))),
  };
}

function isEffective({ action, isDryRun }: AuthorizationPolicyRules): boolean {
  return action !== "AUDIT" && !isDryRun;
}

function readsRemoteIp({ rules }: AuthorizationPolicyRules): boolean {
  return rules.some(({ from, when }) =>
    [...from, when].some((clause) => clause.some(({ key }) => key === "remote.ip")),
  );
}

function fieldNameOf({ key }: AuthorizationCondition): readonly string[] {
  const name = /^request\.headers\[([^[\]]+)\]$/.exec(key)?.[1];
  return name === undefined ? [] : [foldHeaderName(name)];
}
