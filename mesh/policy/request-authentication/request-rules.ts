import type { MeshSettings } from "../../mesh-settings.ts";
import type { Authorization } from "../authorization/authorization.ts";
import { limitTokenRules } from "../authorization/limit-policies.ts";
import { decideAuthorizationPolicies } from "../authorization/select-policies.ts";
import { decideTokenRules, type TokenRulesInput } from "./select-token-rules.ts";
import type { TokenRule } from "./token-rule.ts";

/** What a pod's proxy demands of requests: their tokens, and then what they may do. Both fit into one message. */
export function decideRequestRules(input: TokenRulesInput & { readonly settings: MeshSettings }): {
  readonly authorization: Authorization;
  readonly tokenRules: readonly TokenRule[];
} {
  const rules = { authorization: decideAuthorizationPolicies(input), tokenRules: decideTokenRules(input) };
  return limitTokenRules(rules, input.pod.metadata.namespace);
}
