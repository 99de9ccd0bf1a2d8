import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Inbound, InboundPort, ServerModeDecision } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionCapacity } from "../connections/connection-capacity.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import type { TrackedConnection } from "../connections/tracked-connection.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { connectApplication } from "./connect-application.ts";
import type { InboundHttp } from "./inbound-http.ts";
import type { OpeningCaps, OpeningLimits } from "./opening-limits.ts";
import { type Refused, refused } from "./refusal.ts";

export interface InboundOptions {
  readonly clock: Clock;
  readonly secureContexts: SecureContextSource;
  /** What this workload demands now. */
  readonly inbound: () => Inbound;
  readonly registry: ConnectionRegistry;
  readonly caps: OpeningCaps;
  readonly capacity: ConnectionCapacity<TrackedConnection>;
  readonly observer: ConnectionObserver;
  readonly http: InboundHttp;
  readonly limits: InboundLimits;
}

export interface InboundLimits {
  /** From the first packet to the verdict on the peer, all together. */
  readonly handshakeTimeoutMs: number;
  /** How long a client of a PERMISSIVE port may be silent before the application is opened for it. */
  readonly silenceMs: number;
  /** How long a connection may last on which neither side has said anything. */
  readonly silenceTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly halfOpenIdleMs: number;
}

/** A client that the policy lets through. */
export interface Admitted {
  readonly kind: "admitted";
  readonly client: Socket;
  readonly peer: VerifiedPeer | undefined;
  /** The identity that was shown to the peer. */
  readonly own: SpiffeId | undefined;
  /** Opened already, for a silent client; what it has said, if anything, waits on it. */
  readonly application: Socket | undefined;
  /** The application spoke first: this is no HTTP. */
  readonly isStream: boolean;
  /** What the handshake told of the inside. */
  readonly alpn: string | undefined;
}

/** A connection on its way in. */
export interface Arrival extends CapturedConnection {
  /** `ip:port`. */
  readonly client: string;
  readonly options: InboundOptions;
  readonly connection: TrackedConnection;
  readonly opening: OpeningLimits;
}

/** What the port demands at this moment. Ask again after each wait: the policy may have changed. */
export function decisionOf({ options, destination }: Arrival): ServerModeDecision {
  return modeOf(options.inbound(), destination.port);
}

/** What is known of the port at this moment. */
export function portOf({ options, destination }: Arrival): InboundPort | undefined {
  return options.inbound().ports.find((candidate) => candidate.port === destination.port);
}

export type OpenedApplication = { readonly kind: "socket"; readonly socket: Socket };

/** Opens the application behind the sidecar for one connection. */
export async function openApplication({
  destination,
  options,
  connection,
}: Arrival): Promise<OpenedApplication | Refused> {
  const { clock, limits } = options;
  const result = await connectApplication(destination, { clock, timeoutMs: limits.connectTimeoutMs });
  if (result.kind === "failed") return refused("application", "connect_failed", result.message);
  connection.hold(result.socket);
  return result;
}

/** What a port demands. */
export function modeOf(inbound: Inbound, port: number): ServerModeDecision {
  return inbound.ports.find((candidate) => candidate.port === port)?.mode ?? inbound.defaultMode;
}
