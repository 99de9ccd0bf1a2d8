import { formatResourceName } from "../../resources/fields/resource-names.ts";
import type { RequestAuthentication } from "../../resources/kinds/request-authentication.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { type EnforcingPod, findPoliciesOfPod } from "../authorization/policies-of-pod.ts";
import { formatKeySet, parseKeySet } from "./key-set.ts";
import { type JwtRule, keySourceOf } from "./key-source.ts";
import type { TokenRule } from "./token-rule.ts";

export interface TokenRulesInput extends EnforcingPod {
  readonly set: ResourceSet;
  /** The key sets that were fetched, by `KeySource.key`. @default none: only rules that contain their keys have some */
  readonly keySets?: ReadonlyMap<string, string> | undefined;
}

/**
 * The rules by which a pod's proxy verifies tokens: those of all RequestAuthentications that apply to it, together, in
 * the order of `NAMESPACE/NAME`.
 */
export function decideTokenRules(input: TokenRulesInput): readonly TokenRule[] {
  const policies = findPoliciesOfPod(input.set.index.requestAuthenticationsByNamespace, input);
  return policies.flatMap((policy) =>
    policy.spec.jwtRules.map((rule, index) => createTokenRule(policy, { rule, index }, input.keySets)),
  );
}

function createTokenRule(
  policy: RequestAuthentication,
  { rule, index }: { readonly rule: JwtRule; readonly index: number },
  keySets: TokenRulesInput["keySets"],
): TokenRule {
  const { issuer, audiences, fromHeaders, fromParams, fromCookies } = rule;
  return {
    name: `${formatResourceName(policy)}[${index}]`,
    ...{ issuer, audiences, fromParams, fromCookies },
    jwks: keysOf(rule, keySets),
    fromHeaders: fromHeaders.map(({ name, prefix }) => ({ name: name.toLowerCase(), prefix })),
    forwardOriginalToken: rule.forwardOriginalToken,
    outputPayloadToHeader: rule.outputPayloadToHeader?.toLowerCase(),
    outputClaimToHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({
      header: header.toLowerCase(),
      claim,
    })),
    spaceDelimitedClaims: rule.spaceDelimitedClaims,
  };
}

/** Of keys that the rule contains, too, only the public parts are sent. */
function keysOf(rule: JwtRule, keySets: TokenRulesInput["keySets"]): string | undefined {
  const source = keySourceOf(rule);
  return source === undefined ? formatKeySet(parseKeySet(rule.jwks ?? "") ?? []) : keySets?.get(source.key);
}
