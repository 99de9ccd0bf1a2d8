import type { X509Certificate } from "node:crypto";
import { nameKeyOf } from "../../identity/name-key.ts";
import type { TrustDomain } from "../../identity/spiffe-id.ts";
import type { RevocationIndex } from "./revocations.ts";

/** Whose certificates a verifier accepts. */
export interface PeerTrust {
  /** Of the mesh's own trust domain and its aliases. */
  readonly roots: readonly X509Certificate[];
  /** The mesh's own and its aliases. */
  readonly trustDomains: readonly TrustDomain[];
  /** Trust domains with authorities of their own. @default none */
  readonly federated?: readonly FederatedRoots[];
  /** What is refused although it is valid. @default nothing */
  readonly revocations?: RevocationIndex;
}

/** The authorities of a foreign trust domain, trusted for its identities alone. `federateRoots` makes it. */
export interface FederatedRoots {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly X509Certificate[];
  /** The roots' names, as keys of `nameKeyOf`. A chain that names none of them was not issued by them. */
  readonly nameKeys: ReadonlySet<string>;
}

/** The authorities of a foreign trust domain, with what is needed to see quickly that a chain does not lead to them. */
export function federateRoots(trustDomain: TrustDomain, roots: readonly X509Certificate[]): FederatedRoots {
  return { trustDomain, roots, nameKeys: new Set(roots.map(({ subject }) => nameKeyOf(subject))) };
}
