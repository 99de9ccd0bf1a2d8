import { parseTrustDomain, type TrustDomain } from "./identity/spiffe-id.ts";
import type { PathNormalization } from "./policy/authorization/authorization.ts";

/** Settings of the whole mesh. */
export interface MeshSettings {
  readonly trustDomain: TrustDomain;
  /** Other trusted domains; service identities are expanded with them. */
  readonly trustDomainAliases: readonly TrustDomain[];
  /** The authorities of foreign trust domains: Istio's `caCertificates`. */
  readonly caCertificates: readonly ForeignAuthorities[];
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
  /** How a request's path is brought into one form before it is routed and judged. */
  readonly pathNormalization: PathNormalization;
  /** How many proxies in front of the gateway are trusted with `x-forwarded-for`; 0: none, the TCP peer is the client. */
  readonly numTrustedProxies: number;
}

/** Istio's defaults. */
export const DEFAULT_MESH_SETTINGS: MeshSettings = {
  trustDomain: parseTrustDomain("cluster.local"),
  trustDomainAliases: [],
  caCertificates: [],
  rootNamespace: "istio-system",
  clusterDomain: "cluster.local",
  outboundTrafficPolicy: "ALLOW_ANY",
  autoMtls: true,
  h2UpgradePolicy: "DEFAULT",
  pathNormalization: "BASE",
  numTrustedProxies: 0,
};

/** Authorities that are trusted for identities of these foreign domains alone, and where they come from. */
export type ForeignAuthorities = { readonly trustDomains: readonly TrustDomain[] } & (
  | {
      readonly kind: "pem";
      /** PEM, one certificate each. */
      readonly roots: readonly string[];
    }
  | {
      readonly kind: "bundle endpoint";
      /** Of a SPIFFE bundle endpoint, profile `https_web`. */
      readonly url: string;
    }
  | {
      readonly kind: "bundle file";
      /** Absolute, at the control plane: a SPIFFE bundle, or PEM. */
      readonly path: string;
    }
);

/** The foreign trust domains whose identities are accepted. */
export function federatedDomains({ caCertificates }: Pick<MeshSettings, "caCertificates">): readonly TrustDomain[] {
  return [...new Set(caCertificates.flatMap(({ trustDomains }) => trustDomains))];
}

const PATH_NORMALIZATIONS: readonly PathNormalization[] = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"];

/** Reads `pathNormalization.normalization` of Istio's MeshConfig, where `DEFAULT` is `BASE`. `undefined`: unknown. */
export function parsePathNormalization(value: unknown): PathNormalization | undefined {
  return value === "DEFAULT" ? "BASE" : PATH_NORMALIZATIONS.find((known) => known === value);
}

/** The largest value of Istio's `numTrustedProxies`. */
const MAX_UINT32 = 0xff_ff_ff_ff;

/** Reads `defaultConfig.gatewayTopology.numTrustedProxies` of Istio's MeshConfig. `undefined`: not a number of proxies. */
export function parseTrustedProxies(value: unknown): number | undefined {
  const isCount = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_UINT32;
  return isCount ? value : undefined;
}
