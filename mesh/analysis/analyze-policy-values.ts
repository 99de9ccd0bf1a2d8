import { federatedDomains } from "../mesh-settings.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import type { AuthorizationPolicy } from "../resources/kinds/authorization-policy.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { listFields, type RuleField } from "./authorization-fields.ts";
import type { AnalysisInput } from "./policy-scope.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Values that name what the mesh does not have. */
export function findValueProblems(policy: AuthorizationPolicy, input: AnalysisInput): readonly ConfigProblem[] {
  return listFields(policy).flatMap((field) => {
    switch (field.key) {
      case "source.namespace":
        return findUnknownNamespaces(policy, field, input);
      case "source.serviceAccount":
        return findUnknownNamespaces(policy, namespacesOfAccounts(field), input);
      case "source.principal":
        return findUnmatchable(policy, field, (value) => explainPrincipal(value, input.settings));
      case "request.auth.principal":
        return findUnmatchable(policy, field, explainTokenPrincipal);
      default:
        return [];
    }
  });
}

function namespacesOfAccounts(field: RuleField): RuleField {
  return { ...field, values: field.values.flatMap((value) => (value.includes("/") ? value.split("/", 1) : [])) };
}

/** Where namespaces are part of the configuration: files often have none. */
function findUnknownNamespaces(
  policy: AuthorizationPolicy,
  { path, values }: RuleField,
  { set }: AnalysisInput,
): readonly ConfigProblem[] {
  if (set.namespaces.size === 0) return [];
  const isKnown = (name: string): boolean => set.namespaces.has(name) || set.index.podsByNamespace.has(name);
  return values
    .filter((value) => !value.includes("*") && !isKnown(value))
    .map((value) => {
      const message = `there is no namespace ${value}: check its spelling`;
      return createResourceWarning({ resource: policy, finding: "ReferencedResourceNotFound", field: path }, message);
    });
}

function findUnmatchable(
  policy: AuthorizationPolicy,
  { path, values }: RuleField,
  explain: (value: string) => string | undefined,
): readonly ConfigProblem[] {
  return values.flatMap((value) => {
    const message = explain(value);
    return message === undefined
      ? []
      : [createResourceWarning({ resource: policy, finding: "UnmatchablePrincipal", field: path }, message)];
  });
}

/** Istio's name for the mesh's own trust domain, whatever it is. */
const OWN_DOMAIN = "cluster.local";

function explainPrincipal(value: string, settings: AnalysisSettings): string | undefined {
  const { trustDomain, trustDomainAliases = [], caCertificates = [] } = settings;
  if (value.startsWith("spiffe://")) {
    return `${value} never matches: write the principal without spiffe://`;
  }
  const [domain = "", ...path] = value.split("/");
  if (trustDomain === undefined || path.length !== 4 || domain.includes("*")) return undefined;
  const known: readonly string[] = [
    ...[OWN_DOMAIN, trustDomain, ...trustDomainAliases],
    ...federatedDomains({ caCertificates }),
  ];
  if (known.includes(domain)) return undefined;
  return `the trust domain ${domain} is neither the mesh's (${trustDomain}) nor one of its aliases, and caCertificates does not have it, so no client has this principal`;
}

/** Issuer and subject are divided at the last slash: of a URL without a subject that is the one of its scheme. */
function explainTokenPrincipal(value: string): string | undefined {
  const [, issuer, subject] = /^([a-z]+:\/)\/([^/]*)$/.exec(value) ?? [];
  if (issuer === undefined) return undefined;
  return `${value} never matches: it is read as the issuer ${issuer} with the subject ${subject}; write ISSUER/SUBJECT, such as ${value.replace(/\*$/, "")}/*`;
}
