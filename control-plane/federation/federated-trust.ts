import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";

/**
 * The foreign trust domains with their roots, merged from all entries that name them.
 * @param rootsOf the roots of a bundle endpoint; `undefined`: it has not responded yet, so the domain is incomplete
 */
export function decideFederatedTrust(
  authorities: readonly ForeignAuthorities[],
  rootsOf: (url: string) => readonly string[] | undefined,
): readonly FederatedDomain[] {
  const domains = new Map<TrustDomain, { readonly roots: Set<string>; incomplete: boolean }>();
  for (const entry of authorities) {
    const roots = entry.kind === "pem" ? entry.roots : rootsOf(entry.url);
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
