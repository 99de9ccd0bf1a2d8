import type { MeshSettings } from "../../mesh-settings.ts";

type Domains = Pick<MeshSettings, "trustDomain" | "trustDomainAliases">;

/** In a policy this domain is the mesh's own, whatever that is. */
const DEFAULT_DOMAIN = "cluster.local";

/**
 * A principal of a policy in each domain of the mesh: its own and the aliases. One of another domain, without a domain
 * (`*`), or of which not all five parts are there stays as it is; so does one whose `*` already covers a domain. So under
 * another domain a literal `cluster.local` matches only if it is an alias, as in Istio.
 */
export function expandPrincipal(principal: string, domains: Domains): readonly string[] {
  const [domain = "", ...path] = principal.split("/");
  const all = [domains.trustDomain, ...domains.trustDomainAliases];
  const isOfMesh = domain === DEFAULT_DOMAIN || all.some((known) => matchesDomain(domain, known));
  if (path.length !== 4 || domain === "*" || !isOfMesh) return [principal];
  return unique(all.map((known) => (isSuffixOf(domain, known) ? principal : [known, ...path].join("/"))));
}

/** A value of `trustDomains`: one of the mesh's domains means all of them. */
export function expandTrustDomain(value: string, domains: Domains): readonly string[] {
  const all: readonly string[] = [domains.trustDomain, ...domains.trustDomainAliases];
  return all.includes(value) ? unique(all) : [value];
}

function matchesDomain(pattern: string, domain: string): boolean {
  const isPrefix = pattern.endsWith("*") && domain.startsWith(pattern.slice(0, -1));
  return pattern === domain || isPrefix || isSuffixOf(pattern, domain);
}

function isSuffixOf(pattern: string, domain: string): boolean {
  return pattern.startsWith("*") && domain.endsWith(pattern.slice(1));
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
