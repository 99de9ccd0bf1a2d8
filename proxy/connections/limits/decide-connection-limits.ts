import { decideLocalConnections } from "../../../net/descriptor-limit.ts";

/** How many connections a proxy may have in each state. All of them together fit the process's descriptors. */
export interface ConnectionLimits {
  /** Captured in one direction, from accept to close; each may need a descriptor on either side. */
  readonly maxPerDirection: number;
  /** Inbound and unverified: waiting for first bytes, or in a TLS handshake. */
  readonly maxUnproved: number;
  /** Inbound plaintext that is allowed, and of which nothing has been delivered. */
  readonly maxSilentPlaintext: number;
  /** The same for verified peers. */
  readonly maxSilentVerified: number;
  /** Idle connections to upstreams and applications. */
  readonly maxIdleUpstream: number;
  /** Clients of the gateway, on all its ports together. */
  readonly maxGatewayClients: number;
}

/** Node, listeners, logs, the control plane, files that are read. */
const OWN_DESCRIPTORS = 64;
/** Admin, status, readiness, metrics. */
const LOCAL_SERVERS = 4;

/** Upper bounds, whatever the number of descriptors: each connection in these states also costs memory. */
const MOST = { unproved: 1024, silentPlaintext: 1024, silentVerified: 8192, idle: 8192, gateway: 10_000 };

/**
 * Divides the descriptors that the process may open. A part is reserved for the proxy itself and its local HTTP
 * servers, so that readiness and the control plane's connection work whatever the number of clients. Of the rest, an
 * eighth is for idle upstream connections, and each direction gets half of what is left, so that an inbound flood does
 * not affect the application's own connections.
 */
export function decideConnectionLimits(maxDescriptors: number): ConnectionLimits {
  const usable = Math.max(
    32,
    maxDescriptors - OWN_DESCRIPTORS - LOCAL_SERVERS * decideLocalConnections(maxDescriptors),
  );
  const maxIdleUpstream = between(1, Math.floor(usable / 8), MOST.idle);
  const maxConnections = Math.floor((usable - maxIdleUpstream) / 2);
  const maxPerDirection = Math.floor(maxConnections / 2);
  return {
    maxPerDirection,
    maxUnproved: between(4, Math.floor(maxPerDirection / 2), MOST.unproved),
    maxSilentPlaintext: between(4, Math.floor(maxPerDirection / 4), MOST.silentPlaintext),
    maxSilentVerified: between(4, Math.floor(maxPerDirection / 2), MOST.silentVerified),
    maxIdleUpstream,
    maxGatewayClients: between(8, maxConnections, MOST.gateway),
  };
}

function between(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
