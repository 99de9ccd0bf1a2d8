import type { X509Certificate } from "node:crypto";
import { nameKeyOf } from "../../identity/name-key.ts";
import type { TrustDomain } from "../../identity/spiffe-id.ts";
import {
  type BrokenChain,
  type ChainVerdict,
  findPath,
  findPeerFault,
  type PeerChain,
  SignatureBudget,
} from "../../identity/verify-chain.ts";
import type { FederatedRoots, PeerTrust } from "./peer-trust.ts";

/** A chain that leads to a trusted root, and the trust domains whose authority that root is. */
export type DomainChain =
  | (Extract<ChainVerdict, { kind: "chained" }> & { readonly trustDomains: readonly TrustDomain[] })
  | BrokenChain;

/**
 * Roots of foreign domains that are compared with a chain to find out who has signed it, which only the reason of a
 * refusal depends on. Only a client that uses the name of many roots reaches it.
 */
const MAX_COMPARED_ROOTS = 32;

/** The roots of a trust domain; `undefined`: it is not trusted. Nothing that is federated speaks for the mesh's own domains. */
export function rootsOfDomain(trust: PeerTrust, trustDomain: TrustDomain): readonly X509Certificate[] | undefined {
  if (trust.trustDomains.includes(trustDomain)) return trust.roots;
  return trust.federated?.find((domain) => domain.trustDomain === trustDomain)?.roots;
}

/**
 * A peer's chain, verified by the authorities of one trust domain at a time: roots of several domains are never searched
 * together, or one domain could issue the identities of another (SPIFFE Federation, section 4.2). Domains that share
 * their roots cost one verification. The signatures that are checked are limited in all.
 */
export class DomainChains {
  readonly #peer: PeerChain;
  readonly #trust: PeerTrust;
  /** Why no roots are asked. */
  readonly #fault: BrokenChain | undefined;
  readonly #budget = new SignatureBudget();
  readonly #verified = new Map<readonly X509Certificate[], ChainVerdict>();

  constructor(peer: PeerChain, trust: PeerTrust) {
    this.#peer = peer;
    this.#trust = trust;
    this.#fault = findPeerFault(peer);
  }

  /**
   * By the authorities of the domain that the peer claims, else by the mesh's own, else by the first foreign ones that
   * accept it. Until then nothing in the certificates is proved, so nothing of it may be shown.
   * @param claimed of the peer's identity, not yet proved; `undefined`: it has none that can be read
   */
  find(claimed: TrustDomain | undefined): DomainChain {
    if (this.#fault !== undefined) return this.#fault;
    const claim = claimed === undefined ? undefined : this.of(claimed);
    if (claimed !== undefined && claim?.kind === "chained") return { ...claim, trustDomains: [claimed] };
    const { roots, trustDomains } = this.#trust;
    const own = this.#verify(roots);
    if (own.kind === "chained") return { ...own, trustDomains };
    return this.#findForeign(own);
  }

  /** By the authorities of this domain alone; `undefined`: the domain is not trusted. */
  of(trustDomain: TrustDomain): ChainVerdict | undefined {
    const roots = rootsOfDomain(this.#trust, trustDomain);
    return roots === undefined ? undefined : this.#verify(roots);
  }

  /** @param own why the mesh's authorities do not accept it */
  #findForeign(own: BrokenChain): DomainChain {
    let fault = own;
    let compared = 0;
    for (const domain of this.#listNamed()) {
      if (!this.#verified.has(domain.roots)) compared += domain.roots.length;
      if (compared > MAX_COMPARED_ROOTS) break;
      const verdict = this.#verify(domain.roots);
      if (verdict.kind === "chained") return { ...verdict, trustDomains: [domain.trustDomain] };
      // A root that was found but cannot be used explains more than one that was not found.
      if (fault.reason === "unknown_root") fault = verdict;
    }
    return fault.reason === "unknown_root" ? own : fault;
  }

  /** The foreign domains whose roots the chain names: no other can have signed any of its certificates. */
  #listNamed(): readonly FederatedRoots[] {
    const { leaf, intermediates } = this.#peer;
    const { federated = [] } = this.#trust;
    if (federated.length === 0) return [];
    const keys = [...new Set([leaf, ...intermediates].map(({ issuer }) => nameKeyOf(issuer)))];
    return federated.filter(({ nameKeys }) => keys.some((key) => nameKeys.has(key)));
  }

  #verify(roots: readonly X509Certificate[]): ChainVerdict {
    if (this.#fault !== undefined) return this.#fault;
    const known = this.#verified.get(roots);
    if (known !== undefined) return known;
    const verdict = findPath({ ...this.#peer, roots }, this.#budget);
    this.#verified.set(roots, verdict);
    return verdict;
  }
}
