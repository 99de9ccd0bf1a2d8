import type { AuthorizationVerdict } from "../../mesh/policy/authorization/authorization.ts";
import type { ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { OpenConnection } from "./connection-registry.ts";
import type { CutReason, RelayEnd } from "./relay.ts";

/** Receives connection events, to log and count them. Implementations must not throw. */
export interface ConnectionObserver {
  opened(connection: OpenConnection, parties: ConnectionParties): OpenConnectionObserver;
  refused(refusal: RefusedConnection): void;
  /** A client was silent, and the application was opened for it without detecting its protocol. */
  detectionTimedOut(port: number): void;
  cut(connection: OpenConnection, reason: CutReason): void;
  /** A request was malformed, and has got a local reply or was cut off. */
  malformed(request: MalformedRequest): void;
}

export interface MalformedRequest extends Omit<RefusedConnection, "stage"> {}

export interface OpenConnectionObserver {
  closed(end: RelayEnd): void;
  /** AuthorizationPolicies deny it: nothing was carried. @param details Envoy's. */
  denied(details: string): void;
}

/** Source and destination, as far as this side knows. */
export interface ConnectionParties {
  readonly source: WorkloadInfo | undefined;
  readonly destination: WorkloadInfo | undefined;
  readonly service: ServiceInfo | undefined;
  /** Of AuthorizationPolicies on the connection; absent: there are none. */
  readonly authorization?: AuthorizationVerdict | undefined;
}

export interface RefusedConnection {
  readonly direction: "inbound" | "outbound";
  /** `handshake`: it failed in TLS or at the verdict on the peer. `proxy`: an exception of the proxy's own code. */
  readonly stage: "capture" | "proxy" | "policy" | "handshake" | "destination" | "application";
  /** Stable: a metric label. */
  readonly reason: string;
  /** For the log; names the rule, the peer, the times. */
  readonly message: string;
  /** `ip:port` of the client. */
  readonly client: string;
  /** `ip:port`; empty where it is not known. */
  readonly destination: string;
}
