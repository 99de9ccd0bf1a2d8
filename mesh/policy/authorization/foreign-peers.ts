import { federatedDomains, type MeshSettings } from "../../mesh-settings.ts";
import type { AuthorizationClause, AuthorizationCondition, AuthorizationRule } from "./authorization.ts";

/** What a client's certificate proves. */
const IDENTITY: readonly string[] = ["source.principal", "source.namespace", "source.serviceAccount"];

/**
 * A rule that allows, in a mesh that trusts foreign domains. It allows their workloads only where it names the domain, or
 * nothing of the client's identity at all: a namespace, a service account, and a principal that begins with `*` are those
 * of this mesh. Istio takes them of any trusted domain, whose owner chooses its namespaces and accounts as it likes, so
 * that older policies would allow to a new domain what they allow to the mesh's own. A rule that denies stays as it is,
 * because it denies more that way.
 */
export function allowForeignByNameAlone(rule: AuthorizationRule, settings: MeshSettings): AuthorizationRule {
  if (federatedDomains(settings).length === 0) return rule;
  const own: AuthorizationCondition = {
    key: "source.trustDomain",
    values: [settings.trustDomain, ...settings.trustDomainAliases],
    notValues: [],
  };
  const restrict = (clause: AuthorizationClause): AuthorizationClause =>
    requiresIdentity(clause) && !namesDomains(clause) ? [...clause, own] : clause;
  const from = rule.from.flatMap(separatePrincipals);
  const isFromNamed = from.length > 0 && from.every(namesDomains);
  return {
    ...rule,
    from: namesDomains(rule.when) ? from : from.map(restrict),
    when: isFromNamed ? rule.when : restrict(rule.when),
  };
}

/** The principals of one entry with a domain, and those without, as two entries. */
function separatePrincipals(clause: AuthorizationClause): readonly AuthorizationClause[] {
  const principals = clause.find(({ key, values }) => key === "source.principal" && values.some(isOfAnyDomain));
  if (principals === undefined || principals.values.every(isOfAnyDomain)) return [clause];
  return [true, false].map((wanted) =>
    clause.map((condition) => {
      if (condition !== principals) return condition;
      return { ...condition, values: condition.values.filter((value) => isOfAnyDomain(value) === wanted) };
    }),
  );
}

function requiresIdentity(clause: AuthorizationClause): boolean {
  return clause.some(({ key, values }) => values.length > 0 && IDENTITY.includes(key));
}

function namesDomains(clause: AuthorizationClause): boolean {
  return clause.some(({ key, values }) => {
    if (values.length === 0) return false;
    return key === "source.trustDomain" || (key === "source.principal" && !values.some(isOfAnyDomain));
  });
}

function isOfAnyDomain(principal: string): boolean {
  return principal.startsWith("*");
}
