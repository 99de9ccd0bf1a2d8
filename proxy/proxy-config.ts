import type { SpiffeId, TrustDomain } from "../mesh/identity/spiffe-id.ts";
import type { Http1Limits } from "./http1/http1-limits.ts";

/** What a proxy is told when it starts; the injector writes it into the pod. */
export interface ProxyConfig {
  readonly pod: { readonly namespace: string; readonly name: string };
  /** Whom the certificate will name: the pod's service account in the mesh's trust domain. */
  readonly identity: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** `host:port` of certificate authority and discovery. */
  readonly controlPlane: { readonly host: string; readonly port: number };
  /** The projected service account token, read again for each certificate. */
  readonly tokenFile: string;
  /** The roots by which the control plane is verified. */
  readonly rootCertificateFile: string;
  /** The pod's address, where the application's own probes are sent. */
  readonly podIp: string | undefined;
  /** The injector's JSON of the application's probes; empty: none. */
  readonly applicationProbes: string;
  /** Where requests and streams are logged, as Istio's `meshConfig.accessLogFile`; `undefined`: nowhere. */
  readonly accessLogFile: string | undefined;
  /** Of a page of metrics. */
  readonly maxMetricsBytes: number;
  readonly drain: DrainConfig;
  /** How large messages may be; what is not named has its default. */
  readonly messageLimits: Partial<Http1Limits>;
}

export interface DrainConfig {
  /** After SIGTERM the outbound side stays at least this long, for the application's own shutdown. */
  readonly minimumMs: number;
  /** Then connections are cut. */
  readonly deadlineMs: number;
}
