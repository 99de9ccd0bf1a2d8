/** The results of policy decisions, which the control plane sends to the proxies. */
import type { PodTag } from "../identity/pod-tag.ts";
import type { SpiffeId, TrustDomain } from "../identity/spiffe-id.ts";
import type { Authorization } from "./authorization/authorization.ts";
import type { TokenRule } from "./request-authentication/token-rule.ts";
import type { HostTarget } from "./routing/host-target.ts";
import type { HttpRoute } from "./routing/http-route.ts";

/** Istio's peer authentication mode, from the server's side. */
export type ServerMode = "STRICT" | "PERMISSIVE" | "DISABLE";

/**
 * A port's protocol, as declared by its name or `appProtocol`; `undefined` if it is not declared. `http` is HTTP/1.1;
 * `http2`, `grpc` and `grpc-web` are HTTP/2 (`declared-protocol.ts`).
 */
export type DeclaredProtocol = "tcp" | "tls" | "http" | "http2" | "grpc" | "grpc-web";

/** A mode and the rule that set it: `Kind/name.namespace` (`MeshPolicy/default`), or `default`. */
export interface ServerModeDecision {
  readonly mode: ServerMode;
  readonly rule: string;
}

/** A workload's labels in metrics and logs, as in Istio. An unknown value is the empty string. */
export interface WorkloadInfo {
  readonly namespace: string;
  readonly pod: string;
  /** The owner's name (the Deployment's), else the pod's. */
  readonly workload: string;
  readonly serviceAccount: string;
  readonly app: string;
  readonly version: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
}

export interface ServiceInfo {
  /** Fully qualified: `world.ns2.svc.cluster.local`. */
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

/** What a sidecar requires from clients of its pod. */
export interface Inbound {
  readonly workload: WorkloadInfo;
  readonly defaultMode: ServerModeDecision;
  readonly ports: readonly InboundPort[];
  readonly authorization: Authorization;
  /** Of RequestAuthentication; none: tokens are not looked for. */
  readonly tokenRules: readonly TokenRule[];
}

export interface InboundPort {
  /** The port that the application listens on (1..65535). */
  readonly port: number;
  readonly mode: ServerModeDecision;
  readonly protocol: DeclaredProtocol | undefined;
  readonly service: ServiceInfo | undefined;
}

/** The trusted roots (PEM, one certificate each) and trust domains; the first domain is the mesh's own. */
export interface TrustBundle {
  readonly roots: readonly string[];
  readonly trustDomains: readonly TrustDomain[];
  /** The root to which new certificates lead, PEM. Absent: unknown. */
  readonly signingRoot?: string;
  /** Trust domains with authorities of their own. @default none */
  readonly federated?: readonly FederatedDomain[];
  /** What must no longer be accepted, although it is valid. @default nothing */
  readonly revocations?: Revocations;
}

/** A foreign trust domain. Its roots (PEM, one certificate each) are trusted for identities of that domain alone. */
export interface FederatedDomain {
  readonly trustDomain: TrustDomain;
  readonly roots: readonly string[];
  /** Some of its roots are not known to this control plane yet: a proxy keeps those that it has, too. @default false */
  readonly incomplete?: boolean;
}

/** What must no longer be accepted from a peer. */
export interface Revocations {
  readonly certificates: readonly RevokedCertificate[];
  /** No certificate of these is accepted. */
  readonly identities: readonly SpiffeId[];
  /** No certificate whose serial number has one of these tags is accepted. @default none */
  readonly pods?: readonly PodTag[];
}

export interface RevokedCertificate {
  /** Hexadecimal, upper case, without leading zeros: as by `normalizeSerialNumber`. */
  readonly serialNumber: string;
  /** SHA-256 of the issuer's name in DER, lower-case hexadecimal. Absent: of any issuer. */
  readonly issuer?: string;
}

/** The result of resolving an outbound address or a named service. */
export type Destination = MeshDestination | PassthroughDestination | RefusedDestination;

export interface MeshDestination {
  readonly kind: "mesh";
  /** A service's FQDN, or a pod's DNS name (`10-0-0-7.ns.pod.cluster.local`) if it has no service. */
  readonly host: string;
  readonly port: number;
  /** Empty means no subset. */
  readonly subset: string;
  readonly protocol: DeclaredProtocol | undefined;
  /** `outbound_.PORT_.SUBSET_.HOST`, or the DestinationRule's own `sni`. */
  readonly sni: string;
  /** The SPIFFE ids that an endpoint may have (secure naming). Empty: none, and mutual TLS is refused. */
  readonly identities: readonly SpiffeId[];
  /** `DestinationRule/name.namespace`, or `auto mTLS`. */
  readonly tlsRule: string;
  readonly endpoints: readonly Endpoint[];
  readonly service: ServiceInfo | undefined;
  readonly connectionPool: ConnectionPool;
  /**
   * The routes of VirtualServices of the gateway `mesh` for requests to this address, for the requesting workload.
   * Empty: no VirtualService applies, and requests go to `endpoints`. Always empty for host targets: routes do not
   * apply to a route's own target.
   */
  readonly routes: readonly HttpRoute[];
}

/**
 * How requests are sent to a destination, for streams without meaning: `connectionPool.http` of a DestinationRule, and
 * the mesh's `h2UpgradePolicy`. An absent limit is none.
 */
export interface ConnectionPool {
  readonly httpVersion: UpstreamHttpVersion;
  /** Requests at a time to all endpoints together, of any HTTP version. */
  readonly maxRequests?: number;
  /** 1: no connection is kept. */
  readonly maxRequestsPerConnection?: number;
  /** Streams at a time on one HTTP/2 connection; the server may allow fewer. */
  readonly maxConcurrentStreams?: number;
  /** Retries at a time to all endpoints together. */
  readonly maxRetries?: number;
  /** How long an upstream connection without requests is kept. */
  readonly idleTimeoutMs?: number;
}

/**
 * The HTTP version of upstream requests; `client`: that of the client's request. `adaptive`: nobody has said, and a
 * sidecar may share HTTP/2 connections to another one where that saves work; applications receive HTTP/1.1.
 */
export type UpstreamHttpVersion = "1.1" | "2" | "client" | "adaptive";

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  readonly mutualTls: boolean;
  readonly workload: WorkloadInfo;
}

/** Not in the registry, and the mesh passes such traffic through unchanged (ALLOW_ANY). */
export interface PassthroughDestination {
  readonly kind: "passthrough";
}

/** Must not be dialled; the reason is for the log and for the user. */
export interface RefusedDestination {
  readonly kind: "refused";
  readonly reason: string;
}

/** The key of a destination. */
export type DestinationTarget = AddressTarget | HostTarget;

export interface AddressTarget {
  readonly kind: "address";
  readonly ip: string;
  readonly port: number;
}

/** A gateway's configuration: its listeners, and where each request goes. */
export interface GatewayConfig {
  readonly workload: WorkloadInfo;
  readonly listeners: readonly GatewayListener[];
  readonly authorization: Authorization;
  readonly tokenRules: readonly TokenRule[];
}

export interface GatewayListener {
  readonly port: number;
  readonly virtualHosts: readonly VirtualHost[];
}

export interface VirtualHost {
  /** Exact, `*.suffix`, or `*`. */
  readonly hosts: readonly string[];
  readonly routes: readonly HttpRoute[];
}
