import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";

/** Foreign trust domains by the source of their roots. @param sourceOf `undefined`: of an entry of another kind */
export function domainsBySource(
  authorities: readonly ForeignAuthorities[],
  sourceOf: (entry: ForeignAuthorities) => string | undefined,
): ReadonlyMap<string, readonly TrustDomain[]> {
  const domains = new Map<string, readonly TrustDomain[]>();
  for (const entry of authorities) {
    const source = sourceOf(entry);
    if (source === undefined) continue;
    domains.set(source, [...new Set([...(domains.get(source) ?? []), ...entry.trustDomains])]);
  }
  return domains;
}

/** An entry whose roots are not in the settings themselves. */
export type BundleSource = Exclude<ForeignAuthorities, { kind: "pem" }>;

/**
 * The foreign trust domains with their roots, merged from all entries that name them.
 * @param rootsOf the roots of a bundle endpoint or a file; `undefined`: there were none yet, so the domain is incomplete
 */
export function decideFederatedTrust(
  authorities: readonly ForeignAuthorities[],
  rootsOf: (source: BundleSource) => readonly string[] | undefined,
): readonly FederatedDomain[] {
  const domains = new Map<TrustDomain, { readonly roots: Set<string>; incomplete: boolean }>();
  for (const entry of authorities) {
    const roots = entry.kind === "pem" ? entry.roots : rootsOf(entry);
    for (const trustDomain of entry.trustDomains) {
      const domain = domains.get(trustDomain) ?? { roots: new Set(), incomplete: false };
      domains.set(trustDomain, domain);
      domain.incomplete ||= roots === undefined;
      for (const root of roots ?? []) domain.roots.add(root);
    }
  }
  return [...domains].map(([trustDomain, { roots, incomplete }]) => ({
    ...{ trustDomain, roots: [...roots] },
    ...(incomplete && { incomplete }),
  }));
}
