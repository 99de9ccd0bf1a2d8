import type { Socket } from "node:net";
import type { Inbound, InboundPort, ServerModeDecision } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient, plainAddress } from "../../net/client-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import { type ConnectionRegistry, INBOUND_POLICY } from "../connections/connection-registry.ts";
import type { ConnectionCapacity } from "../connections/limits/connection-capacity.ts";
import { TrackedConnection } from "../connections/tracked-connection.ts";
import type { CompiledPolicies } from "../http/authorization/compiled-policies.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { connectApplication } from "./connect-application.ts";
import type { InboundHttp } from "./inbound-http.ts";
import { type OpeningCaps, OpeningLimits } from "./opening-limits.ts";

export interface InboundOptions {
  readonly clock: Clock;
  readonly secureContexts: SecureContextSource;
  /** This workload's current policy. */
  readonly inbound: () => Inbound;
  /** Its AuthorizationPolicies. */
  readonly policies: () => CompiledPolicies | undefined;
  readonly registry: ConnectionRegistry;
  readonly caps: OpeningCaps;
  readonly capacity: ConnectionCapacity<TrackedConnection>;
  readonly observer: ConnectionObserver;
  readonly http: InboundHttp;
  readonly limits: InboundLimits;
}

export interface InboundLimits {
  /** From the first packet to the verdict on the peer. */
  readonly handshakeTimeoutMs: number;
  /** How long a client of a PERMISSIVE port may be silent before the application is opened for it. */
  readonly silenceMs: number;
  /** How long a connection may last on which neither side has sent anything. */
  readonly silenceTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly halfOpenIdleMs: number;
}

/** An inbound connection that is being opened. */
export interface Arrival extends CapturedConnection {
  /** `ip:port`. */
  readonly client: string;
  /** Of the TCP peer. */
  readonly sourceIp: string;
  readonly options: InboundOptions;
  readonly connection: TrackedConnection;
  readonly opening: OpeningLimits;
}

/**
 * Adds a captured connection to the registry. `undefined`: there is no room for it, or its client is gone. The kernel no
 * longer knows such a client's address, although its bytes can still be read: no policy could deny it by its address.
 */
export function acceptConnection(captured: CapturedConnection, options: InboundOptions): Arrival | undefined {
  const { socket, destination } = captured;
  const { clock, caps, limits } = options;
  const client = formatClient(socket);
  const opened = { openedAtMs: clock.monotonicMs(), policyKey: INBOUND_POLICY };
  const accepted = { direction: "inbound", socket, client, destination, ...opened } as const;
  const connection = new TrackedConnection(accepted, options);
  const sourceIp = plainAddress(socket);
  const opening = new OpeningLimits({ ...limits, clock, caps, sourceIp, connection });
  connection.onEnd(() => opening.leave());
  if (!options.capacity.enter(connection)) return connection.refuse("capture", "too_many_connections", NO_ROOM);
  if (sourceIp === "") return connection.refuse("handshake", "client_gone", GONE);
  return { ...captured, client, sourceIp, options, connection, opening };
}

const GONE = "the client disconnected before its connection was accepted";
const NO_ROOM =
  "the process has no descriptors left, and no idle connection could make room; raise RLIMIT_NOFILE (ulimit -n)";

/** The port's current mode. Read it again after each await: the policy may have changed. */
export function decisionOf({ options, destination }: Arrival): ServerModeDecision {
  return modeOf(options.inbound(), destination.port);
}

/** A port's mode and its rule. */
export function modeOf({ ports, defaultMode }: Inbound, port: number): ServerModeDecision {
  return ports.find((candidate) => candidate.port === port)?.mode ?? defaultMode;
}

/** The port's current policy. */
export function portOf({ options, destination }: Arrival): InboundPort | undefined {
  return options.inbound().ports.find(({ port }) => port === destination.port);
}

export interface OpenedApplication {
  readonly socket: Socket;
}

/**
 * Opens the application behind the sidecar for one connection. `undefined`: it cannot be reached, which is reported.
 * Dialling ends with the connection: one that was displaced must not hold a descriptor while the application's backlog
 * is full.
 */
export async function openApplication(arrival: Arrival): Promise<OpenedApplication | undefined> {
  const { destination, options, connection } = arrival;
  const { clock, limits } = options;
  const over = new AbortController();
  connection.onEnd(() => over.abort());
  const dial = { clock, timeoutMs: limits.connectTimeoutMs, signal: over.signal };
  const result = await connectApplication(destination, dial);
  if (result.kind === "failed") return connection.refuse("application", "connect_failed", result.message);
  connection.hold(result.socket);
  return { socket: result.socket };
}
