import type { X509Certificate } from "node:crypto";
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

/** The authorities of a foreign trust domain, believed for its identities alone. */
export interface FederatedRoots {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly X509Certificate[];
}
