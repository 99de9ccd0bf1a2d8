import type { AddressTarget, Destination, MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient } from "../../net/client-address.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver, Refuse, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import type { ConnectionCapacity } from "../connections/limits/connection-capacity.ts";
import type { Relay } from "../connections/relay.ts";
import {
  type ConnectionForwarding,
  type ConnectionTerms,
  TrackedConnection,
} from "../connections/tracked-connection.ts";
import {
  decideForwarding,
  type ForwardingDecision,
  type HttpForwarding,
  type StreamForwarding,
} from "../http/detection/decide-forwarding.ts";
import { decideProtocol, type ProtocolDecision } from "../http/detection/decide-protocol.ts";
import { relayStream } from "../http/detection/relay-stream.ts";
import { keyOfTarget } from "./destination-cache.ts";
import type { PooledDestination } from "./destination-pools.ts";
import type { DialedConnection, Dialer, DialFailure } from "./dial-destination.ts";
import type { OutboundHttp } from "./outbound-http.ts";
import { dialedTerms } from "./track-upstream.ts";

export interface OutboundOptions {
  readonly clock: Clock;
  readonly http: OutboundHttp;
  readonly dialer: Dialer;
  readonly registry: ConnectionRegistry;
  readonly capacity: ConnectionCapacity<TrackedConnection>;
  readonly observer: ConnectionObserver;
  /** This workload, for metrics. */
  readonly workload: () => WorkloadInfo | undefined;
  readonly halfOpenIdleMs: number;
}

/**
 * Handles connections that the application opens: resolves the original destination, dials it by its rule, and forwards
 * the bytes. Never waits for the application to speak first, so server-first protocols work. If it cannot be dialled by
 * the rule, the connection is reset; there is no fallback to plaintext.
 */
export function createOutboundHandler(options: OutboundOptions): (connection: CapturedConnection) => void {
  return (captured) => {
    const accepted = acceptConnection(captured, options);
    if (accepted === undefined) return;
    // Without this an exception would be an unhandled rejection, which ends the process.
    handleOutbound(accepted).catch(accepted.connection.refuseFaultTo(options.observer));
  };
}

/**
 * One accepted connection until it is forwarded. A step returns `undefined` if the connection has ended: it was refused and
 * reported, cut by a new rule, or closed by the application.
 */
async function handleOutbound(accepted: Accepted): Promise<void> {
  const { captured, options } = accepted;
  const arrival = await resolveDestination(accepted);
  if (arrival === undefined || arrival.connection.isOver) return;
  const forwarding = await decideForwarding({
    client: captured.socket,
    protocol: protocolOf(arrival.pooled.current()),
    opened: undefined,
    open: () => dialDestination(arrival),
    onAmbiguous: arrival.connection.cutMalformedTo(options.observer),
    context: options.http.context,
  });
  if (forwarding === undefined || arrival.connection.isOver) return arrival.connection.cut();
  const terms =
    forwarding.kind === "http" ? httpTerms(arrival) : dialedTerms(forwarding.upstream, arrival.pooled.current);
  arrival.connection.carry(terms, () => carry(arrival, forwarding));
}

interface Accepted {
  readonly captured: CapturedConnection;
  readonly options: OutboundOptions;
  readonly connection: TrackedConnection;
  readonly target: AddressTarget;
  readonly refuse: Refuse;
}

interface Arrival extends Accepted {
  /** Retained until the connection ends. */
  readonly pooled: PooledDestination;
}

/** Step 1. Adds a captured connection to the registry. */
function acceptConnection(captured: CapturedConnection, options: OutboundOptions): Accepted | undefined {
  const { socket, destination } = captured;
  const { clock, registry, observer, capacity } = options;
  const target = { kind: "address", ip: destination.ip, port: destination.port } as const;
  const client = formatClient(socket);
  const openedAtMs = clock.now();
  const connection = new TrackedConnection(
    { direction: "outbound", socket, client, destination, openedAtMs, policyKey: keyOfTarget(target) },
    registry,
  );
  const refuse = connection.refuseTo(observer);
  if (!capacity.enter(connection)) return refuse("capture", "too_many_connections", NO_ROOM);
  return { captured, options, connection, target, refuse };
}

const NO_ROOM = "no descriptors are left; raise RLIMIT_NOFILE (ulimit -n)";

/** Step 2. Resolves the original destination. */
async function resolveDestination(accepted: Accepted): Promise<Arrival | undefined> {
  const { captured, options, connection, target, refuse } = accepted;
  const pooled = options.http.pools.find(target) ?? (await options.http.pools.open(target));
  if (pooled === undefined) {
    const address = formatSocketAddress(captured.destination);
    return refuse(
      "destination",
      "control_plane_away",
      `${address} is new, and the control plane did not resolve it in time`,
    );
  }
  void connection.ended.then(() => pooled.release());
  return { ...accepted, pooled };
}

/** Traffic to destinations outside the mesh is never parsed. */
function protocolOf(destination: Destination): ProtocolDecision {
  return destination.kind === "mesh" ? decideProtocol(destination.protocol, undefined) : "stream";
}

/** Step 3, if the connection is a stream or the server may speak first: dials by the destination's rule. */
async function dialDestination(arrival: Arrival): Promise<DialedConnection | undefined> {
  const { captured, connection, pooled, options, refuse } = arrival;
  const dialed = await dialWhileClientWaits(captured, pooled, options.dialer);
  if (dialed.kind === "failed") return refuse(stageOf(dialed), dialed.reason, dialed.message);
  connection.hold(dialed.socket);
  connection.decide({ ...dialedTerms(dialed, pooled.current), stage: "waiting" });
  return connection.isOver ? undefined : dialed;
}

/** The application's own connection: its requests go over other connections. */
function httpTerms({ captured, pooled }: Arrival): ConnectionTerms {
  const resolved = pooled.current();
  return {
    endpoint: captured.destination,
    host: resolved.kind === "mesh" ? resolved.host : "",
    peer: undefined,
    rule: "the application's own connection: requests use the pool",
    isAllowed: () => pooled.current().kind !== "refused",
  };
}

/** Step 4. Nothing is written to the upstream before this. */
function carry(arrival: Arrival, forwarding: ForwardingDecision<DialedConnection>): ConnectionForwarding {
  const { socket } = arrival.captured;
  const bytes = () => ({ received: socket.bytesRead, sent: socket.bytesWritten });
  switch (forwarding.kind) {
    case "http": {
      const serving = serveHttp(arrival, forwarding);
      return { relay: serving, bytes, activity: serving };
    }
    case "stream":
      return { relay: carryStream(arrival, forwarding), bytes };
  }
}

function serveHttp(
  { captured, connection, pooled, options }: Arrival,
  { opened, takeEarly }: HttpForwarding<DialedConnection>,
) {
  const { http, observer } = options;
  if (opened !== undefined) http.adopt(opened, pooled);
  return http.serve({
    connection: captured,
    client: connection.client,
    destination: pooled,
    early: takeEarly(),
    isCurrent: judgeOnce(pooled.current, (current) => protocolOf(current) !== "stream"),
    onFault: ({ code, message }) => observer.malformed(connection.describe(code, message)),
  });
}

function carryStream(arrival: Arrival, forwarding: StreamForwarding<DialedConnection>): Relay {
  const { captured, connection, pooled, options } = arrival;
  const { clock, halfOpenIdleMs, observer, workload } = options;
  const relay = relayStream(captured.socket, forwarding, {
    clock,
    halfOpenIdleMs,
    onRequest: connection.cutMalformedTo(observer),
  });
  const resolved = pooled.current();
  const mesh = resolved.kind === "mesh" ? resolved : undefined;
  const opened = observer.opened(connection, partiesOf(mesh, forwarding.upstream, workload()));
  void relay.ended.then((end) => opened.closed(end));
  return relay;
}

/** Dialling is aborted when the application closes. */
async function dialWhileClientWaits(
  { socket, destination }: CapturedConnection,
  pooled: PooledDestination,
  dialer: Dialer,
): Promise<DialedConnection | DialFailure> {
  const closed = new AbortController();
  const onClose = (): void => closed.abort();
  socket.once("close", onClose);
  if (socket.destroyed) closed.abort();
  const dialed = await dialer.dial(pooled.current(), destination, closed.signal);
  socket.off("close", onClose);
  return dialed;
}

function partiesOf(mesh: MeshDestination | undefined, dialed: DialedConnection, source: WorkloadInfo | undefined) {
  return { source, destination: dialed.meshEndpoint?.workload, service: mesh?.service };
}

function stageOf(failure: DialFailure): RefusedConnection["stage"] {
  switch (failure.reason) {
    case "refused_destination":
    case "no_healthy_endpoint":
    case "connect_failed":
      return "destination";
    default:
      return "handshake";
  }
}
