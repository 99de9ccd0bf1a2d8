import type { TrustDomain } from "./identity/spiffe-id.ts";

/** What holds for the whole mesh. */
export interface MeshSettings {
  readonly trustDomain: TrustDomain;
  /** Other domains that are trusted; the identities of services are expanded with them. */
  readonly trustDomainAliases: readonly TrustDomain[];
  /** Policies here hold for the mesh; Istio's is `istio-system`. */
  readonly rootNamespace: string;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** What happens to unregistered addresses. */
  readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
  /** Mutual TLS where the endpoint can do it and no DestinationRule speaks. */
  readonly autoMtls: boolean;
}
