import { X509Certificate } from "node:crypto";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";

export interface FederationInput {
  readonly authorities: readonly ForeignAuthorities[];
  /** The roots of a bundle endpoint; `undefined`: it has not responded yet. */
  readonly rootsOf: (url: string) => readonly string[] | undefined;
  /** The certificates of the mesh's own authorities, roots and intermediates, PEM. */
  readonly ownAuthorities: readonly string[];
}

export interface FederatedTrust {
  readonly domains: readonly FederatedDomain[];
  readonly refused: readonly RefusedRoot[];
}

/** A foreign root that must not be trusted. */
export interface RefusedRoot {
  readonly trustDomain: TrustDomain;
  /** SHA-256. */
  readonly fingerprint: string;
  readonly reason: string;
}

/**
 * The foreign trust domains with their roots, merged from all that name them. A root with the name of another
 * authority is left out: OpenSSL finds an issuer by its name, and where two have the same it may verify by the wrong one.
 * The owner of one domain could so end the connections of the mesh, or those of another domain.
 */
export function decideFederatedTrust({ authorities, rootsOf, ownAuthorities }: FederationInput): FederatedTrust {
  const merged = new MergedDomains(ownAuthorities);
  // What the operator has written down comes before what somebody publishes.
  for (const entry of authorities.toSorted(compareKinds)) {
    const roots = entry.kind === "pem" ? entry.roots : rootsOf(entry.url);
    for (const trustDomain of entry.trustDomains) merged.add(trustDomain, roots);
  }
  return merged.trust();
}

function compareKinds(one: ForeignAuthorities, other: ForeignAuthorities): number {
  return Number(one.kind !== "pem") - Number(other.kind !== "pem");
}

/** The mesh itself, among the owners of names. */
const OWN = "";

/** Who has a name, and by which certificates. */
interface Owner {
  readonly trustDomain: string;
  readonly fingerprints: Set<string>;
}

class MergedDomains {
  readonly #owners = new Map<string, Owner>();
  readonly #domains = new Map<TrustDomain, { readonly roots: Set<string>; incomplete: boolean }>();
  readonly #refused: RefusedRoot[] = [];

  constructor(ownAuthorities: readonly string[]) {
    for (const pem of ownAuthorities) this.#claimName(new X509Certificate(pem), OWN);
  }

  /** @param roots `undefined`: they are not known yet. */
  add(trustDomain: TrustDomain, roots: readonly string[] | undefined): void {
    const domain = this.#domains.get(trustDomain) ?? { roots: new Set(), incomplete: false };
    this.#domains.set(trustDomain, domain);
    domain.incomplete ||= roots === undefined;
    for (const pem of roots ?? []) {
      const root = new X509Certificate(pem);
      const reason = this.#claimName(root, trustDomain);
      if (reason === undefined) domain.roots.add(pem);
      else this.#refused.push({ trustDomain, fingerprint: root.fingerprint256, reason });
    }
  }

  trust(): FederatedTrust {
    const domains = [...this.#domains].flatMap(([trustDomain, { roots, incomplete }]): readonly FederatedDomain[] =>
      roots.size === 0 && !incomplete ? [] : [{ trustDomain, roots: [...roots], ...(incomplete && { incomplete }) }],
    );
    return { domains, refused: this.#refused };
  }

  /** Why a certificate cannot have its name; `undefined`: it has it now. The same certificate may belong to several. */
  #claimName(certificate: X509Certificate, trustDomain: string): string | undefined {
    const name = canonicalName(certificate);
    const owner = this.#owners.get(name) ?? { trustDomain, fingerprints: new Set() };
    this.#owners.set(name, owner);
    const { fingerprint256: fingerprint } = certificate;
    if (owner.trustDomain === trustDomain) owner.fingerprints.add(fingerprint);
    if (owner.fingerprints.has(fingerprint)) return undefined;
    const other = owner.trustDomain === OWN ? "an authority of this mesh" : `a root of ${owner.trustDomain}`;
    return `it has the same name as ${other}: one of them must be issued with another name`;
  }
}

/** As OpenSSL compares names: without case and repeated spaces. */
function canonicalName({ subject }: X509Certificate): string {
  return (subject ?? "").toLowerCase().replaceAll(/[ \t]+/g, " ");
}
