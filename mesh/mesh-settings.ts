import type { TrustDomain } from "./identity/spiffe-id.ts";

/** Settings of the whole mesh. */
export interface MeshSettings {
  readonly trustDomain: TrustDomain;
  /** Other trusted domains; service identities are expanded with them. */
  readonly trustDomainAliases: readonly TrustDomain[];
  /** Policies in this namespace apply to the mesh; Istio's is `istio-system`. */
  readonly rootNamespace: string;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** The policy for addresses outside the mesh. */
  readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
  /** Mutual TLS for capable endpoints if no DestinationRule applies. */
  readonly autoMtls: boolean;
  /**
   * Whether requests of HTTP/1.1 go to ports that are declared as HTTP over HTTP/2; DestinationRules override it.
   * `DEFAULT`: not said, so sidecars decide between themselves.
   */
  readonly h2UpgradePolicy: "DEFAULT" | "DO_NOT_UPGRADE" | "UPGRADE";
}
