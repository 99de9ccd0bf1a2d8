import type { Destination, MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient } from "../../net/client-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionCapacity } from "../connections/connection-capacity.ts";
import type { ConnectionObserver, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import { relay } from "../connections/relay.ts";
import { type ConnectionTerms, TrackedConnection } from "../connections/tracked-connection.ts";
import { type Carriage, decideCarriage } from "../http/detection/decide-carriage.ts";
import { detectOnHttpPort } from "../http/detection/detect-on-http-port.ts";
import { detectProtocol, guardStream, type UnjudgedRequest } from "../http/detection/detect-protocol.ts";
import { keyOfTarget } from "./destination-cache.ts";
import type { PooledDestination } from "./destination-pools.ts";
import type { DialedConnection, Dialer, DialFailure } from "./dial-destination.ts";
import { isStillAllowed } from "./is-still-allowed.ts";
import type { OutboundHttp } from "./outbound-http.ts";

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
 * Takes what the application dials: finds out what stands at the original destination, dials it as its rule says, and
 * carries the bytes. Never waits for the application to speak first, so protocols in which the server does are served.
 * What cannot be dialled as the rule says is reset; there is no falling back to plaintext.
 */
export function createOutboundHandler(options: OutboundOptions): (connection: CapturedConnection) => void {
  return (captured) => void handleOutbound(captured, options);
}

async function handleOutbound(captured: CapturedConnection, options: OutboundOptions): Promise<void> {
  const { socket, destination } = captured;
  const client = formatClient(socket);
  const address = { kind: "address", ...destination } as const;
  const policyKey = keyOfTarget(address);
  const connection = new TrackedConnection(
    { direction: "outbound", socket, client, destination, openedAtMs: options.clock.now(), policyKey },
    options.registry,
  );
  const target = `${destination.ip}:${destination.port}`;
  const refuse = (stage: RefusedConnection["stage"], reason: string, message: string): void => {
    if (connection.isOver) return;
    connection.cut();
    options.observer.refused({ direction: "outbound", stage, reason, message, client, destination: target });
  };
  if (!options.capacity.enter(connection)) {
    return refuse("capture", "too_many_connections", "no descriptors are left for it; raise RLIMIT_NOFILE (ulimit -n)");
  }

  const pooled = options.http.pools.find(address) ?? (await options.http.pools.open(address));
  if (pooled === undefined) {
    const message = `${target} is new, and the control plane did not say what it is`;
    return refuse("destination", "control_plane_away", message);
  }
  void connection.relay.ended.then(() => pooled.release());
  if (connection.isOver) return;
  const arrival: Arrival = { captured, client, connection, pooled, options, refuse };
  if (carriageOf(pooled.current()) !== "http") return await dialAndCarry(arrival);
  const detected = await detectOnHttpPort(socket, options.http.context);
  if (connection.isOver) return;
  if (detected === "gone") connection.cut();
  else if (detected === "http") serveHttp(arrival);
  else await dialAndCarry(arrival);
}

interface Arrival {
  readonly captured: CapturedConnection;
  /** `ip:port`. */
  readonly client: string;
  readonly connection: TrackedConnection;
  /** Retained until the connection ends. */
  readonly pooled: PooledDestination;
  readonly options: OutboundOptions;
  readonly refuse: (stage: RefusedConnection["stage"], reason: string, message: string) => void;
}

/** What is outside the mesh is never parsed. */
function carriageOf(destination: Destination): Carriage {
  return destination.kind === "mesh" ? decideCarriage(destination.protocol, undefined) : "stream";
}

async function dialAndCarry(arrival: Arrival): Promise<void> {
  const { captured, connection, pooled, options, refuse } = arrival;
  const dialed = await dialWhileClientWaits(captured, pooled, options.dialer);
  if (dialed.kind === "failed") return refuse(stageOf(dialed), dialed.reason, dialed.message);
  connection.hold(dialed.socket);
  connection.decide({ ...termsOf(pooled, dialed), stage: "waiting" });
  if (connection.isOver) return;
  if (carriageOf(pooled.current()) === "stream") return carryStream(arrival, dialed, NO_BYTES);
  const detected = await detectProtocol(captured.socket, dialed.socket, options.clock);
  if (connection.isOver) return;
  switch (detected.kind) {
    case "http":
      options.http.adopt(dialed, pooled);
      return serveHttp(arrival);
    case "stream":
      if (detected.isGuarded) guardStream(captured.socket, (request) => refuseRequest(request, arrival));
      return carryStream(arrival, dialed, detected.early);
    case "refused":
      return refuseRequest(detected, arrival);
    case "gone":
      return connection.cut();
  }
}

const NO_BYTES = Buffer.alloc(0);

/** What a dialled connection is, and how long it may stay. */
function termsOf(pooled: PooledDestination, dialed: DialedConnection): ConnectionTerms {
  const resolved = pooled.current();
  const mesh = resolved.kind === "mesh" ? resolved : undefined;
  return {
    endpoint: { ip: dialed.endpoint.ip, port: dialed.endpoint.port },
    host: mesh?.host ?? "",
    peer: dialed.peer,
    rule: mesh?.tlsRule ?? "outside the mesh: passed through",
    isAllowed: () => isStillAllowed(pooled.current(), dialed),
  };
}

function refuseRequest({ reason, message }: UnjudgedRequest, { captured, client, connection, options }: Arrival): void {
  connection.cut();
  const { ip, port } = captured.destination;
  options.observer.malformed({ direction: "outbound", reason, message, client, destination: `${ip}:${port}` });
}

function serveHttp({ captured, client, connection, pooled, options }: Arrival): void {
  const { socket, destination } = captured;
  const target = `${destination.ip}:${destination.port}`;
  const resolved = pooled.current();
  const terms: ConnectionTerms = {
    endpoint: destination,
    host: resolved.kind === "mesh" ? resolved.host : "",
    peer: undefined,
    rule: "the application's own connection: requests go by the pool",
    isAllowed: () => pooled.current().kind !== "refused",
  };
  connection.carry(terms, () => {
    const serving = options.http.serve({
      ...{ connection: captured, client, destination: pooled },
      isCurrent: judgeOnce(pooled.current, (current) => carriageOf(current) !== "stream"),
      onFault: ({ code, message }) =>
        options.observer.malformed({ direction: "outbound", reason: code, message, client, destination: target }),
    });
    const bytes = () => ({ received: socket.bytesRead, sent: socket.bytesWritten });
    return { relay: serving, bytes, isIdle: () => serving.isIdle };
  });
}

/** The dialling ends when the application hangs up. */
async function dialWhileClientWaits(
  { socket, destination }: CapturedConnection,
  pooled: PooledDestination,
  dialer: Dialer,
): Promise<DialedConnection | DialFailure> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once("close", onClose);
  if (socket.destroyed) gone.abort();
  const dialed = await dialer.dial(pooled.current(), destination, gone.signal);
  socket.off("close", onClose);
  return dialed;
}

/** @param early what the application said before it ended its side; it is delivered first. */
function carryStream(arrival: Arrival, dialed: DialedConnection, early: Buffer): void {
  const { captured, connection, pooled, options } = arrival;
  const { socket } = captured;
  const { clock, halfOpenIdleMs } = options;
  const resolved = pooled.current();
  const mesh = resolved.kind === "mesh" ? resolved : undefined;
  connection.carry(termsOf(pooled, dialed), () => {
    if (early.length > 0) dialed.socket.write(early);
    const carried = relay({ downstream: socket, upstream: dialed.socket }, { clock, halfOpenIdleMs });
    const observer = options.observer.opened(connection, partiesOf(mesh, dialed, options.workload()));
    void carried.ended.then((end) => observer.closed(end));
    return { relay: carried, bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }) };
  });
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
