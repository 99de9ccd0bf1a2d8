import type { Socket } from "node:net";
import type { Destination } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { Ending } from "../connections/ending.ts";
import { abortSocket, type Relay, type RelayEnd } from "../connections/relay.ts";
import {
  type ConnectionTerms,
  TrackedConnection,
  type TrackedConnectionDeps,
} from "../connections/tracked-connection.ts";
import type { ResolvedDestination } from "./destination-pools.ts";
import { type DialedConnection, type DialFailure, stageOf } from "./dial-destination.ts";
import { isStillAllowed } from "./is-still-allowed.ts";

/** A dialled connection's record, and whether it may stay open. */
export function dialedTerms(dialed: DialedConnection, current: () => Destination): ConnectionTerms {
  const resolved = current();
  const mesh = resolved.kind === "mesh" ? resolved : undefined;
  return {
    endpoint: { ip: dialed.endpoint.ip, port: dialed.endpoint.port },
    host: mesh?.host ?? "",
    peer: dialed.peer,
    rule: mesh?.tlsRule ?? "outside the mesh: passed through",
    isAllowed: () => isStillAllowed(current(), dialed),
  };
}

export interface TrackUpstreamOptions extends TrackedConnectionDeps {
  readonly clock: Clock;
  /** The source of its requests, for the log. */
  readonly client: "http pool" | "gateway";
  readonly destination: ResolvedDestination;
}

/**
 * Adds a dialled connection that carries requests of many clients to the registry, so that it is shown, and cut as soon
 * as policy or trust no longer allow it.
 */
export function trackUpstream(dialed: DialedConnection, options: TrackUpstreamOptions): TrackedConnection {
  const { socket, endpoint } = dialed;
  const { clock, client, destination: resolved } = options;
  const destination = { ip: endpoint.ip, port: endpoint.port };
  const connection = new TrackedConnection(
    { direction: "outbound", socket, client, destination, openedAtMs: clock.monotonicMs(), policyKey: resolved.key },
    options,
  );
  connection.carry(dialedTerms(dialed, resolved.current), () => ({
    ...relayOfSocket(socket),
    bytes: () => ({ received: socket.bytesWritten, sent: socket.bytesRead }),
  }));
  return connection;
}

export interface FailedHandshakeOptions extends Pick<TrackUpstreamOptions, "observer" | "client"> {
  /** `ip:port`, or `host:port` if several endpoints were tried. */
  readonly destination: string;
}

/**
 * Reports a server that was refused, so that it is counted like the refused server of a stream. Why a dial failed
 * otherwise is said in the local replies to its requests.
 */
export function reportFailedHandshake(failure: DialFailure, options: FailedHandshakeOptions): void {
  const { reason, message } = failure;
  const { observer, client, destination } = options;
  if (stageOf(failure) !== "handshake") return;
  observer.refused({ direction: "outbound", stage: "handshake", reason, message, client, destination });
}

/** A relay for the registry, around a socket that other code reads and writes: it ends when the socket closes. */
function relayOfSocket(socket: Socket): Relay {
  const ending = new Ending<RelayEnd>();
  if (socket.destroyed) ending.report("closed");
  else socket.once("close", () => ending.report("closed"));
  const cut = (): void => {
    abortSocket(socket);
    ending.report("closed_by_proxy");
  };
  return { onEnd: (listener) => ending.onEnd(listener), cut };
}
