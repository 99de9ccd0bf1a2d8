import type { X509Certificate } from "node:crypto";
import type { TrustDomain } from "../../identity/spiffe-id.ts";
import { type ChainInput, type ChainVerdict, verifyChain } from "../../identity/verify-chain.ts";
import type { PeerTrust } from "./peer-trust.ts";

/** A chain that leads to a trusted root, and the trust domains whose authority that root is. */
export type DomainChain =
  | (Extract<ChainVerdict, { kind: "chained" }> & { readonly trustDomains: readonly TrustDomain[] })
  | Extract<ChainVerdict, { kind: "broken" }>;

/** The roots of a trust domain; `undefined`: it is not trusted. Nothing that is federated speaks for the mesh's own domains. */
export function rootsOfDomain(trust: PeerTrust, trustDomain: TrustDomain): readonly X509Certificate[] | undefined {
  if (trust.trustDomains.includes(trustDomain)) return trust.roots;
  return trust.federated?.find((domain) => domain.trustDomain === trustDomain)?.roots;
}

/**
 * A peer's chain, verified by the authorities of one trust domain at a time: roots of several domains are never searched
 * together, or one domain could issue the identities of another (SPIFFE Federation, section 4.2). Domains that share
 * their roots cost one verification.
 */
export class DomainChains {
  readonly #peer: Omit<ChainInput, "roots">;
  readonly #trust: PeerTrust;
  readonly #verified = new Map<readonly X509Certificate[], ChainVerdict>();

  constructor(peer: Omit<ChainInput, "roots">, trust: PeerTrust) {
    this.#peer = peer;
    this.#trust = trust;
  }

  /**
   * By the mesh's own authorities, else by the first foreign ones that accept it. Until then nothing in the
   * certificates is proved, so nothing of it may be shown.
   */
  find(): DomainChain {
    const { roots, trustDomains, federated = [] } = this.#trust;
    const own = this.#verify(roots);
    if (own.kind === "chained") return { ...own, trustDomains };
    let fault = own;
    for (const domain of federated) {
      const verdict = this.#verify(domain.roots);
      if (verdict.kind === "chained") return { ...verdict, trustDomains: [domain.trustDomain] };
      // A root that was found but cannot be used explains more than one that was not found.
      if (fault.reason === "unknown_root") fault = verdict;
    }
    return fault.reason === "unknown_root" ? own : fault;
  }

  /** By the authorities of this domain alone; `undefined`: the domain is not trusted. */
  of(trustDomain: TrustDomain): ChainVerdict | undefined {
    const roots = rootsOfDomain(this.#trust, trustDomain);
    return roots === undefined ? undefined : this.#verify(roots);
  }

  #verify(roots: readonly X509Certificate[]): ChainVerdict {
    const known = this.#verified.get(roots);
    if (known !== undefined) return known;
    const verdict = verifyChain({ ...this.#peer, roots });
    this.#verified.set(roots, verdict);
    return verdict;
  }
}
