import type { Socket } from "node:net";
import type { Destination } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import { abortSocket, type Relay } from "../connections/relay.ts";
import { type ConnectionTerms, TrackedConnection } from "../connections/tracked-connection.ts";
import type { ResolvedDestination } from "./destination-pools.ts";
import type { DialedConnection } from "./dial-destination.ts";
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

export interface TrackUpstreamOptions {
  readonly registry: ConnectionRegistry;
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
  const { registry, clock, client, destination: resolved } = options;
  const destination = { ip: endpoint.ip, port: endpoint.port };
  const connection = new TrackedConnection(
    { direction: "outbound", socket, client, destination, openedAtMs: clock.now(), policyKey: resolved.key },
    registry,
  );
  connection.carry(dialedTerms(dialed, resolved.current), () => ({
    relay: relayOfSocket(socket),
    bytes: () => ({ received: socket.bytesWritten, sent: socket.bytesRead }),
  }));
  return connection;
}

/** A relay for the registry, around a socket that other code reads and writes: it ends when the socket closes. */
function relayOfSocket(socket: Socket): Relay {
  let wasCut = false;
  const ended = new Promise<"closed" | "closed_by_proxy">((resolve) => {
    if (socket.destroyed) resolve("closed");
    else socket.once("close", () => resolve(wasCut ? "closed_by_proxy" : "closed"));
  });
  const cut = (): void => {
    wasCut = true;
    abortSocket(socket);
  };
  return { ended, cut };
}
