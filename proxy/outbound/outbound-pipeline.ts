import type { Socket } from "node:net";
import type { MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient } from "../../net/client-address.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import type { ConnectionCapacity } from "../connections/limits/connection-capacity.ts";
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
  type Undecided,
} from "../http/detection/decide-forwarding.ts";
import type { UnjudgedRequest } from "../http/detection/detect-protocol.ts";
import { relayStream } from "../http/detection/relay-stream.ts";
import { keyOfAddress } from "./destination-cache.ts";
import type { PooledDestination } from "./destination-pools.ts";
import { type DialedConnection, type Dialer, type DialFailure, stageOf } from "./dial-destination.ts";
import { type OutboundHttp, protocolOf } from "./outbound-http.ts";
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
export function createOutboundHandler(options: OutboundOptions): (captured: CapturedConnection) => void {
  return (captured) => acceptConnection(captured, options);
}

/** Step 1. Adds a captured connection to the registry. */
function acceptConnection(captured: CapturedConnection, options: OutboundOptions): void {
  const { socket, destination } = captured;
  const connection = new TrackedConnection(
    {
      direction: "outbound",
      socket,
      client: formatClient(socket),
      destination,
      openedAtMs: options.clock.monotonicMs(),
      policyKey: keyOfAddress(destination),
    },
    options,
  );
  try {
    if (options.capacity.enter(connection)) resolveDestination(captured, connection, options);
    else connection.refuse("capture", "too_many_connections", NO_ROOM);
  } catch (caught) {
    connection.refuseFault(caught);
  }
}

const NO_ROOM = "no descriptors are left; raise RLIMIT_NOFILE (ulimit -n)";

/** Step 2. Resolves the original destination, at once if it is in use. */
function resolveDestination(
  captured: CapturedConnection,
  connection: TrackedConnection,
  options: OutboundOptions,
): void {
  const { pools } = options.http;
  const known = pools.find(connection.policyKey);
  if (known !== undefined) {
    new Arrival(captured, connection, known, options).decide();
    return;
  }
  const { ip, port } = captured.destination;
  const opening = pools.open({ kind: "address", ip, port }).then((opened) => {
    if (opened !== undefined) new Arrival(captured, connection, opened, options).decide();
    else connection.refuse("destination", "control_plane_away", unresolved(captured));
  });
  // Without this an exception would be an unhandled rejection, which ends the process.
  opening.catch((caught) => connection.refuseFault(caught));
}

function unresolved({ destination }: CapturedConnection): string {
  return `${formatSocketAddress(destination)} is new, and the control plane did not resolve it in time`;
}

/** A connection whose destination is known. */
class Arrival implements Undecided<DialedConnection> {
  readonly opened = undefined;
  readonly #captured: CapturedConnection;
  readonly #connection: TrackedConnection;
  readonly #options: OutboundOptions;
  /** Retained until the connection ends. */
  readonly #pooled: PooledDestination;

  constructor(
    captured: CapturedConnection,
    connection: TrackedConnection,
    pooled: PooledDestination,
    options: OutboundOptions,
  ) {
    this.#captured = captured;
    this.#connection = connection;
    this.#options = options;
    this.#pooled = pooled;
    connection.onEnd(() => pooled.release());
  }

  get socket(): Socket {
    return this.#captured.socket;
  }

  /** Step 3. Decides how it is forwarded. Traffic to destinations outside the mesh is never parsed. */
  decide(): void {
    if (this.#connection.isOver) return;
    decideForwarding(this, protocolOf(this.#pooled.current()), this.#options.http.context);
  }

  /** If the connection is a stream or the server may speak first: dials by the destination's rule. */
  async open(): Promise<DialedConnection | undefined> {
    const connection = this.#connection;
    const dialed = await dialWhileClientWaits(this.#captured, this.#pooled, this.#options.dialer);
    if (dialed.kind === "failed") return connection.refuse(stageOf(dialed), dialed.reason, dialed.message);
    connection.hold(dialed.socket);
    connection.decide({ ...dialedTerms(dialed, this.#pooled.current), stage: "waiting" });
    return connection.isOver ? undefined : dialed;
  }

  abandon(reason?: UnjudgedRequest): void {
    if (reason === undefined) this.#connection.cut();
    else this.#connection.cutMalformed(reason);
  }

  refuseFault(caught: unknown): void {
    this.#connection.refuseFault(caught);
  }

  /** Step 4. Nothing is written to the upstream before this. */
  forward(decision: ForwardingDecision<DialedConnection>): void {
    switch (decision.kind) {
      case "http":
        this.#connection.carry(this.#httpTerms(), () => this.#serveHttp(decision));
        break;
      case "stream":
        this.#connection.carry(dialedTerms(decision.upstream, this.#pooled.current), () => this.#relay(decision));
        break;
    }
  }

  /** The application's own connection: its requests go over other connections. */
  #httpTerms(): ConnectionTerms {
    const { current } = this.#pooled;
    const resolved = current();
    return {
      host: resolved.kind === "mesh" ? resolved.host : "",
      rule: "the application's own connection: requests use the pool",
      isAllowed: () => current().kind !== "refused",
    };
  }

  #serveHttp({ protocol, opened, early }: HttpForwarding<DialedConnection>): ConnectionForwarding {
    const { http } = this.#options;
    const connection = this.#connection;
    if (opened !== undefined) http.adopt(opened, this.#pooled, protocol);
    return http.serve({
      connection: this.#captured,
      client: connection.client,
      destination: this.#pooled,
      protocol,
      early,
      onFault: ({ code, message }) => connection.reportMalformed(code, message),
    });
  }

  #relay(forwarding: StreamForwarding<DialedConnection>): ConnectionForwarding {
    const { clock, halfOpenIdleMs, observer, workload } = this.#options;
    const connection = this.#connection;
    const { socket } = this;
    const relay = relayStream(socket, forwarding, {
      clock,
      halfOpenIdleMs,
      onRequest: (request) => connection.cutMalformed(request),
    });
    const resolved = this.#pooled.current();
    const mesh = resolved.kind === "mesh" ? resolved : undefined;
    const opened = observer.opened(connection, partiesOf(mesh, forwarding.upstream, workload()));
    relay.onEnd((end) => opened.closed(end));
    return { ...relay, bytes: () => ({ received: socket.bytesRead, sent: socket.bytesWritten }) };
  }
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
