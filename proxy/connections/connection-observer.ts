import type { ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { CutReason, OpenConnection } from "./connection-registry.ts";
import type { RelayEnd } from "./relay.ts";

/** Receives what happens to connections, to log and count it. Nothing here may throw. */
export interface ConnectionObserver {
  opened(connection: OpenConnection, parties: ConnectionParties): OpenConnectionObserver;
  refused(refusal: RefusedConnection): void;
  /** A client said nothing and the application had to be opened for it, without knowing what it speaks. */
  detectionTimedOut(port: number): void;
  cut(connection: OpenConnection, reason: CutReason): void;
  /** A request was not HTTP/1.1 as it must be, and has been answered or cut off. */
  malformed(request: MalformedRequest): void;
}

export interface MalformedRequest extends Omit<RefusedConnection, "stage"> {}

export interface OpenConnectionObserver {
  closed(end: RelayEnd): void;
}

/** Who talks to whom, as far as this side knows. */
export interface ConnectionParties {
  readonly source: WorkloadInfo | undefined;
  readonly destination: WorkloadInfo | undefined;
  readonly service: ServiceInfo | undefined;
}

/** Ends a connection, unless it has ended, and reports why. */
export type Refuse = (stage: RefusedConnection["stage"], reason: string, message: string) => undefined;

/** Cuts a connection whose bytes must not be delivered, and reports why. */
export type CutMalformed = (fault: { readonly reason: string; readonly message: string }) => void;

export interface RefusedConnection {
  readonly direction: "inbound" | "outbound";
  /** `handshake`: it failed in TLS or at the verdict on the peer. */
  readonly stage: "capture" | "policy" | "handshake" | "destination" | "application";
  /** Stable: a metric label. */
  readonly reason: string;
  /** For the log; names the rule, the peer, the times. */
  readonly message: string;
  /** `ip:port` of the client. */
  readonly client: string;
  /** `ip:port`; empty where it is not known. */
  readonly destination: string;
}
