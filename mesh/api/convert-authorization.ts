/** The policies and the token rules of a workload to their messages and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  Authorization,
  AuthorizationAction,
  AuthorizationClause,
  AuthorizationPolicyRules,
  AuthorizationRule,
  PathNormalization,
} from "../policy/authorization/authorization.ts";
import type { TokenRule } from "../policy/request-authentication/token-rule.ts";
import { ConvertError } from "./convert-error.ts";
import type {
  Authorization as AuthorizationMessage,
  AuthorizationPolicy as AuthorizationPolicyMessage,
  AuthorizationRule as AuthorizationRuleMessage,
  AuthorizationSchema,
  TokenRule as TokenRuleMessage,
  TokenRuleSchema,
} from "./gen/discovery_pb.ts";

const ACTIONS: readonly AuthorizationAction[] = ["ALLOW", "DENY", "AUDIT", "CUSTOM"];
const NORMALIZATIONS: readonly PathNormalization[] = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"];

export function messageFromAuthorization(authorization: Authorization): MessageInitShape<typeof AuthorizationSchema> {
  const { policies, pathNormalization, numTrustedProxies } = authorization;
  return {
    pathNormalization,
    numTrustedProxies,
    policies: policies.map((policy) => ({ ...policy, rules: policy.rules.map(messageFromRule) })),
  };
}

function messageFromRule({ from, to, when }: AuthorizationRule) {
  return { from: from.map(messageFromClause), to: to.map(messageFromClause), when: when.map(copyCondition) };
}

function messageFromClause(clause: AuthorizationClause) {
  return { conditions: clause.map(copyCondition) };
}

function copyCondition({ key, values, notValues }: AuthorizationClause[number]) {
  return { key, values: [...values], notValues: [...notValues] };
}

/** Throws if it is missing or a policy has an unknown action: without it, more would be allowed than was decided. */
export function authorizationFromMessage(message: AuthorizationMessage | undefined): Authorization {
  if (message === undefined) {
    throw new ConvertError("the control plane sends no authorization: it is older than this proxy; upgrade it first");
  }
  const normalization = NORMALIZATIONS.find((candidate) => candidate === message.pathNormalization);
  return {
    policies: message.policies.map(policyFromMessage),
    pathNormalization: normalization ?? "DECODE_AND_MERGE_SLASHES",
    numTrustedProxies: message.numTrustedProxies,
  };
}

function policyFromMessage(message: AuthorizationPolicyMessage): AuthorizationPolicyRules {
  const { namespace, name, provider, isDryRun } = message;
  const action = ACTIONS.find((candidate) => candidate === message.action);
  if (action === undefined) {
    const policy = `AuthorizationPolicy/${name}.${namespace}`;
    throw new ConvertError(`${policy} has the unknown action ${JSON.stringify(message.action)}`);
  }
  return { namespace, name, action, provider, isDryRun, rules: message.rules.map(ruleFromMessage) };
}

function ruleFromMessage({ from, to, when }: AuthorizationRuleMessage): AuthorizationRule {
  return {
    from: from.map(({ conditions }) => conditions.map(copyCondition)),
    to: to.map(({ conditions }) => conditions.map(copyCondition)),
    when: when.map(copyCondition),
  };
}

export function messageFromTokenRule(rule: TokenRule): MessageInitShape<typeof TokenRuleSchema> {
  return {
    ...copyTokenRule(rule),
    jwks: rule.jwks ?? "",
    outputPayloadToHeader: rule.outputPayloadToHeader ?? "",
  };
}

/** Throws without an issuer: the rule would verify any. */
export function tokenRuleFromMessage(message: TokenRuleMessage): TokenRule {
  if (message.issuer === "") throw new ConvertError(`${message.name} has no issuer`);
  return {
    ...copyTokenRule(message),
    jwks: message.jwks === "" ? undefined : message.jwks,
    outputPayloadToHeader: message.outputPayloadToHeader === "" ? undefined : message.outputPayloadToHeader,
  };
}

/** All that has the same form on both sides. */
function copyTokenRule(rule: Omit<TokenRule, "jwks" | "outputPayloadToHeader">) {
  return {
    name: rule.name,
    issuer: rule.issuer,
    audiences: [...rule.audiences],
    fromHeaders: rule.fromHeaders.map(({ name, prefix }) => ({ name, prefix })),
    fromParams: [...rule.fromParams],
    fromCookies: [...rule.fromCookies],
    forwardOriginalToken: rule.forwardOriginalToken,
    outputClaimToHeaders: rule.outputClaimToHeaders.map(({ header, claim }) => ({ header, claim })),
    spaceDelimitedClaims: [...rule.spaceDelimitedClaims],
  };
}
