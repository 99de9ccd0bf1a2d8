import type { MeshSettings } from "../../mesh-settings.ts";
import { isDryRun } from "../../resources/fields/dry-run.ts";
import type { AuthorizationPolicy } from "../../resources/kinds/authorization-policy.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import type {
  Authorization,
  AuthorizationClause,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "./authorization.ts";
import { allowForeignByNameAlone } from "./foreign-peers.ts";
import { limitPolicies } from "./limit-policies.ts";
import { type EnforcingPod, findPoliciesOfPod } from "./policies-of-pod.ts";
import { expandPrincipal, expandTrustDomain } from "./trust-domain-aliases.ts";

/**
 * The policies that a pod's proxy enforces: with the mesh's trust domains, and otherwise as they are written. Where they
 * are too large for a message, everything is denied.
 */
export function decideAuthorizationPolicies(
  input: EnforcingPod & { readonly set: ResourceSet; readonly settings: MeshSettings },
): Authorization {
  const { set, settings } = input;
  const { pathNormalization, numTrustedProxies } = settings;
  const found = findPoliciesOfPod(set.index.authorizationPoliciesByNamespace, input);
  const policies = limitPolicies(createEach(found, settings), input.pod.metadata.namespace);
  return { policies, pathNormalization, numTrustedProxies };
}

/** One after the other: none behind those that are too large together. */
function* createEach(policies: readonly AuthorizationPolicy[], settings: MeshSettings) {
  for (const policy of policies) yield createRules(policy, settings);
}

function createRules({ metadata, spec }: AuthorizationPolicy, settings: MeshSettings): AuthorizationPolicyRules {
  const { namespace, name } = metadata;
  return {
    namespace,
    name,
    action: spec.action,
    provider: spec.provider?.name ?? "",
    isDryRun: isDryRun(metadata),
    rules: spec.rules.map((written) => {
      const rule = createRule(written, { namespace, settings });
      return spec.action === "ALLOW" ? allowForeignByNameAlone(rule, settings) : rule;
    }),
  };
}

interface Context {
  /** The policy's. */
  readonly namespace: string;
  readonly settings: MeshSettings;
}

type Rule = AuthorizationPolicy["spec"]["rules"][number];
type Source = Rule["from"][number]["source"];
type Operation = Rule["to"][number]["operation"];

function createRule({ from, to, when }: Rule, context: Context): AuthorizationRule {
  return {
    from: from.map(({ source }) => createClause(listSourceFields(source), context)),
    to: to.map(({ operation }) => createClause(listOperationFields(operation), context)),
    when: createClause(when, context),
  };
}

function listSourceFields(source: Source): AuthorizationClause {
  return [
    { key: "source.principal", values: source.principals, notValues: source.notPrincipals },
    { key: "source.namespace", values: source.namespaces, notValues: source.notNamespaces },
    { key: "source.serviceAccount", values: source.serviceAccounts, notValues: source.notServiceAccounts },
    { key: "source.trustDomain", values: source.trustDomains, notValues: source.notTrustDomains },
    { key: "source.ip", values: source.ipBlocks, notValues: source.notIpBlocks },
    { key: "remote.ip", values: source.remoteIpBlocks, notValues: source.notRemoteIpBlocks },
    { key: "request.auth.principal", values: source.requestPrincipals, notValues: source.notRequestPrincipals },
  ];
}

function listOperationFields(operation: Operation): AuthorizationClause {
  return [
    { key: "destination.port", values: operation.ports, notValues: operation.notPorts },
    { key: "request.host", values: operation.hosts, notValues: operation.notHosts },
    { key: "request.method", values: operation.methods, notValues: operation.notMethods },
    { key: "request.path", values: operation.paths, notValues: operation.notPaths },
  ];
}

function createClause(conditions: AuthorizationClause, context: Context): AuthorizationClause {
  return conditions
    .filter(({ values, notValues }) => values.length + notValues.length > 0)
    .map(({ key, values, notValues }): AuthorizationCondition => {
      const resolve = (value: string): readonly string[] => resolveValue(key, value, context);
      return { key, values: values.flatMap(resolve), notValues: notValues.flatMap(resolve) };
    });
}

function resolveValue(key: string, value: string, { namespace, settings }: Context): readonly string[] {
  switch (key) {
    case "source.principal":
      return expandPrincipal(value, settings);
    case "source.trustDomain":
      return expandTrustDomain(value, settings);
    case "source.serviceAccount":
      return [value.includes("/") ? value : `${namespace}/${value}`];
    default:
      return [value];
  }
}
