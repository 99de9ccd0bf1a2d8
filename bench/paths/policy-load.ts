import type {
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "../../mesh/policy/authorization/authorization.ts";
import { CLIENT_ID } from "./identities.ts";

/** AuthorizationPolicies of the server's workload, of which only the last one allows the bench's requests. */
export interface PolicyLoad {
  readonly count: number;
  /**
   * `identity`: by the client's principal and the method GET, which an index finds. `header`: by the value of a header
   * alone, so that one rule is tried after the other.
   */
  readonly by: "identity" | "header";
}

/** What requests must have for policies by a header. */
export const MATCHING_HEADER = { name: "x-client", value: "client" } as const;

/** One policy with one rule each, with names in the order of evaluation. */
export function createPolicies({ count, by }: PolicyLoad): readonly AuthorizationPolicyRules[] {
  return Array.from({ length: count }, (_, index) => ({
    namespace: "bench",
    name: `policy-${String(index).padStart(5, "0")}`,
    action: "ALLOW",
    provider: "",
    isDryRun: false,
    rules: [by === "identity" ? ruleByIdentity(suffixOf(index, count)) : ruleByHeader(suffixOf(index, count))],
  }));
}

/** Others than the client have a number. */
function suffixOf(index: number, count: number): string {
  return index === count - 1 ? "" : `-${index}`;
}

function ruleByIdentity(suffix: string): AuthorizationRule {
  const principal = CLIENT_ID.replace("spiffe://", "");
  return {
    from: [[condition("source.principal", `${principal}${suffix}`)]],
    to: [[condition("request.method", "GET")]],
    when: [],
  };
}

function ruleByHeader(suffix: string): AuthorizationRule {
  const { name, value } = MATCHING_HEADER;
  return { from: [], to: [], when: [condition(`request.headers[${name}]`, `${value}${suffix}`)] };
}

function condition(key: string, value: string): AuthorizationCondition {
  return { key, values: [value], notValues: [] };
}
