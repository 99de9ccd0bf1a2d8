import type { Destination, MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient } from "../../net/client-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry, OpenConnection } from "../connections/connection-registry.ts";
import { abortSocket, relay } from "../connections/relay.ts";
import { type Carriage, decideCarriage } from "../http/detection/decide-carriage.ts";
import { detectProtocol, guardStream } from "../http/detection/detect-protocol.ts";
import type { PooledDestination } from "./destination-pools.ts";
import type { DialedConnection, Dialer, DialFailure } from "./dial-destination.ts";
import { isStillAllowed } from "./is-still-allowed.ts";
import type { OutboundHttp } from "./outbound-http.ts";

export interface OutboundOptions {
  readonly clock: Clock;
  readonly http: OutboundHttp;
  readonly dialer: Dialer;
  readonly registry: ConnectionRegistry;
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
  return (connection) => void handleOutbound(connection, options);
}

async function handleOutbound(connection: CapturedConnection, options: OutboundOptions): Promise<void> {
  const { socket, destination } = connection;
  const client = formatClient(socket);
  const target = `${destination.ip}:${destination.port}`;
  const refuse = (stage: RefusedConnection["stage"], reason: string, message: string): void => {
    abortSocket(socket);
    options.observer.refused({ direction: "outbound", stage, reason, message, client, destination: target });
  };

  const address = { kind: "address", ...destination } as const;
  const pooled = options.http.pools.find(address) ?? (await options.http.pools.open(address));
  if (pooled === undefined) {
    return refuse(
      "destination",
      "control_plane_away",
      `${target} is new, and the control plane did not say what it is`,
    );
  }
  const arrival: Arrival = { connection, client, pooled, options, refuse };
  if (carriageOf(pooled.current()) === "http") serveHttp(arrival);
  else await dialAndCarry(arrival);
}

interface Arrival {
  readonly connection: CapturedConnection;
  /** `ip:port`. */
  readonly client: string;
  /** Retained; whoever ends the connection releases it. */
  readonly pooled: PooledDestination;
  readonly options: OutboundOptions;
  readonly refuse: (stage: RefusedConnection["stage"], reason: string, message: string) => void;
}

/** What is outside the mesh is never parsed. */
function carriageOf(destination: Destination): Carriage {
  return destination.kind === "mesh" ? decideCarriage(destination.protocol, undefined) : "stream";
}

async function dialAndCarry(arrival: Arrival): Promise<void> {
  const { connection, pooled, options, refuse } = arrival;
  const dialed = await dialWhileClientWaits(connection, pooled, options.dialer);
  if (dialed.kind === "failed") {
    pooled.release();
    return refuse(stageOf(dialed), dialed.reason, dialed.message);
  }
  if (carriageOf(pooled.current()) !== "detect") return carryStream(arrival, dialed);
  const detected = await detectProtocol(connection.socket, dialed.socket, options.clock);
  switch (detected.kind) {
    case "http":
      options.http.adopt(dialed, pooled);
      return serveHttp(arrival);
    case "stream":
      if (detected.early.length > 0) dialed.socket.write(detected.early);
      if (detected.isGuarded) guardStream(connection.socket, () => cutLateHttp(arrival, dialed));
      return carryStream(arrival, dialed);
    case "gone":
      abortSocket(dialed.socket);
      abortSocket(connection.socket);
      return pooled.release();
  }
}

function cutLateHttp({ connection, client, options }: Arrival, dialed: DialedConnection): void {
  abortSocket(dialed.socket);
  abortSocket(connection.socket);
  const { ip, port } = connection.destination;
  const message = `a request line to port ${port} came too slowly; name its Service port "http-…"`;
  options.observer.malformed({
    direction: "outbound",
    reason: "late_http",
    message,
    client,
    destination: `${ip}:${port}`,
  });
}

function serveHttp(arrival: Arrival): void {
  const { connection, client, pooled, options } = arrival;
  const { socket, destination } = connection;
  const target = `${destination.ip}:${destination.port}`;
  let isForeign = false;
  const serving = options.http.serve({
    connection,
    client,
    destination: pooled,
    onFault: ({ code, message }) =>
      options.observer.malformed({ direction: "outbound", reason: code, message, client, destination: target }),
    onForeign: () => {
      isForeign = true;
      void dialAndCarry(arrival);
    },
  });
  const resolved = pooled.current();
  options.registry.add({
    direction: "outbound",
    client,
    destination,
    endpoint: destination,
    host: resolved.kind === "mesh" ? resolved.host : "",
    peer: undefined,
    rule: "the application's own connection: requests go by the pool",
    openedAtMs: options.clock.now(),
    relay: serving,
    isAllowed: () => pooled.current().kind !== "refused",
    bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }),
  });
  void serving.ended.then(() => {
    if (!isForeign) pooled.release();
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

function carryStream({ connection, client, pooled, options }: Arrival, dialed: DialedConnection): void {
  const { socket, destination } = connection;
  const { clock, halfOpenIdleMs } = options;
  const resolved = pooled.current();
  const mesh = resolved.kind === "mesh" ? resolved : undefined;
  const carried = relay({ downstream: socket, upstream: dialed.socket }, { clock, halfOpenIdleMs });
  const open: OpenConnection = {
    direction: "outbound",
    client,
    destination,
    endpoint: { ip: dialed.endpoint.ip, port: dialed.endpoint.port },
    host: mesh?.host ?? "",
    peer: dialed.peer,
    rule: mesh?.tlsRule ?? "outside the mesh: passed through",
    openedAtMs: clock.now(),
    relay: carried,
    isAllowed: () => isStillAllowed(pooled.current(), dialed),
    bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }),
  };
  const observer = options.observer.opened(open, partiesOf(mesh, dialed, options.workload()));
  void carried.ended.then((end) => {
    pooled.release();
    observer.closed(end);
  });
  options.registry.add(open);
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
