import type { MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver, RefusedConnection } from "../connections/connection-observer.ts";
import type { ConnectionRegistry, OpenConnection } from "../connections/connection-registry.ts";
import { abortSocket, relay } from "../connections/relay.ts";
import type { DestinationCache, DestinationLease } from "./destination-cache.ts";
import type { DialedConnection, Dialer, DialFailure } from "./dial-destination.ts";
import { isStillAllowed } from "./is-still-allowed.ts";

export interface OutboundOptions {
  readonly clock: Clock;
  readonly destinations: DestinationCache;
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
  const client = `${socket.remoteAddress}:${socket.remotePort}`;
  const target = `${destination.ip}:${destination.port}`;
  const refuse = (stage: RefusedConnection["stage"], reason: string, message: string): void => {
    abortSocket(socket);
    options.observer.refused({ direction: "outbound", stage, reason, message, client, destination: target });
  };

  const lease = await options.destinations.acquire({ kind: "address", ...destination });
  if (lease === undefined) {
    return refuse(
      "destination",
      "control_plane_away",
      `${target} is new, and the control plane did not say what it is`,
    );
  }
  const dialed = await dialWhileClientWaits(connection, lease, options.dialer);
  if (dialed.kind === "failed") {
    lease.release();
    return refuse(stageOf(dialed), dialed.reason, dialed.message);
  }
  carry({ connection, client, lease, dialed, options });
}

/** The dialling ends when the application hangs up. */
async function dialWhileClientWaits(
  { socket, destination }: CapturedConnection,
  lease: DestinationLease,
  dialer: Dialer,
): Promise<DialedConnection | DialFailure> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once("close", onClose);
  if (socket.destroyed) gone.abort();
  const dialed = await dialer.dial(lease.current(), destination, gone.signal);
  socket.off("close", onClose);
  return dialed;
}

interface Carried {
  readonly connection: CapturedConnection;
  readonly client: string;
  readonly lease: DestinationLease;
  readonly dialed: DialedConnection;
  readonly options: OutboundOptions;
}

function carry({ connection, client, lease, dialed, options }: Carried): void {
  const { socket, destination } = connection;
  const { clock, halfOpenIdleMs } = options;
  const resolved = lease.current();
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
    isAllowed: () => isStillAllowed(lease.current(), dialed),
    bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }),
  };
  const observer = options.observer.opened(open, partiesOf(mesh, dialed, options.workload()));
  void carried.ended.then((end) => {
    lease.release();
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
