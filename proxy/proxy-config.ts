import type { SpiffeId, TrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { Http1Limits } from "./http1/http1-limits.ts";

/** A proxy's settings; the injector writes them into the pod. */
export interface ProxyConfig {
  readonly pod: { readonly namespace: string; readonly name: string };
  /** The identity in the certificate: the pod's service account in the mesh's trust domain. */
  readonly identity: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** `host:port` of certificate authority and discovery. */
  readonly controlPlane: { readonly host: string; readonly port: number };
  /** The projected service account token, read again for each certificate. */
  readonly tokenFile: string;
  /** The roots that verify the control plane. */
  readonly rootCertificateFile: string;
  /** The pod's address, the target of the application's probes. */
  readonly podIp: string | undefined;
  /** The injector's JSON of the application's probes; empty: none. */
  readonly applicationProbes: string;
  /** The injector's JSON of the pod's original `prometheus.io/*` annotations; empty: none. */
  readonly applicationMetrics: string;
  /** The access log's file, as Istio's `meshConfig.accessLogFile`; `undefined`: off. */
  readonly accessLogFile: string | undefined;
  /** The limit of a page of metrics. */
  readonly maxMetricsBytes: number;
  readonly drain: DrainConfig;
  /** Limits of message sizes; the rest have their defaults. */
  readonly messageLimits: Partial<Http1Limits>;
}

/** Both count from the request to end. */
export interface DrainConfig {
  /** How long connections of other pods are still accepted: until endpoints elsewhere no longer name this pod. */
  readonly acceptMs: number;
  /** After this time connections are cut. */
  readonly deadlineMs: number;
}
