import type { TokenRule } from "../request-authentication/token-rule.ts";
import type { Authorization, AuthorizationClause, AuthorizationPolicyRules } from "./authorization.ts";

/**
 * Bytes of the policies of one proxy, and of its token rules. A proxy takes messages of 16 MiB. With more it would keep
 * its last configuration, so a user with the right to write policies in one namespace could keep new ones of the root
 * namespace away from it. One resource, which has at most 100,000 values, is far below.
 */
export const MAX_POLICY_BYTES = 6 * 1024 * 1024;
const MAX_TOKEN_RULE_BYTES = 4 * 1024 * 1024;

/** Of a list's entry besides its text. */
const ENTRY_BYTES = 8;

/** The policies, or, if they are too large, one that denies everything. @param namespace of their pod */
export function limitPolicies(
  policies: Iterable<AuthorizationPolicyRules>,
  namespace: string,
): readonly AuthorizationPolicyRules[] {
  const kept: AuthorizationPolicyRules[] = [];
  let bytes = 0;
  for (const policy of policies) {
    bytes += bytesOfPolicy(policy);
    if (bytes > MAX_POLICY_BYTES) return [denialFor(namespace, "too-large-authorization-policies")];
    kept.push(policy);
  }
  return kept;
}

/** The same for token rules: if they are too large, there are none, and everything is denied. */
export function limitTokenRules<Rules extends { authorization: Authorization; tokenRules: readonly TokenRule[] }>(
  rules: Rules,
  namespace: string,
): Rules {
  let bytes = 0;
  for (const rule of rules.tokenRules) {
    bytes += Buffer.byteLength(JSON.stringify(rule));
    if (bytes <= MAX_TOKEN_RULE_BYTES) continue;
    const policies = [denialFor(namespace, "too-large-request-authentications")];
    return { ...rules, tokenRules: [], authorization: { ...rules.authorization, policies } };
  }
  return rules;
}

/** The name is what logs and `entente authz` show. */
function denialFor(namespace: string, name: string): AuthorizationPolicyRules {
  const rules = [{ from: [], to: [], when: [] }];
  return { namespace, name, action: "DENY", provider: "", isDryRun: false, rules };
}

function bytesOfPolicy({ name, provider, rules }: AuthorizationPolicyRules): number {
  let bytes = name.length + provider.length + 64;
  for (const { from, to, when } of rules) {
    bytes += ENTRY_BYTES;
    for (const clause of [...from, ...to, when]) bytes += bytesOfClause(clause);
  }
  return bytes;
}

function bytesOfClause(clause: AuthorizationClause): number {
  let bytes = ENTRY_BYTES;
  for (const { key, values, notValues } of clause) {
    bytes += ENTRY_BYTES + key.length;
    for (const value of values) bytes += ENTRY_BYTES + Buffer.byteLength(value);
    for (const value of notValues) bytes += ENTRY_BYTES + Buffer.byteLength(value);
  }
  return bytes;
}
