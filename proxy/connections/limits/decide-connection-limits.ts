import { decideLocalConnections } from "../../../net/descriptor-limit.ts";

/** How many connections a proxy may have in each state. All of them together fit the process's descriptors. */
export interface ConnectionLimits {
  /** Captured in one direction, from accept to their end; each may need a descriptor on either side. */
  readonly maxPerDirection: number;
  /** Inbound, of which nothing is proved: first bytes are awaited, or a TLS handshake runs. */
  readonly maxUnproved: number;
  /** Inbound plaintext that may pass, and of which nothing has been delivered. */
  readonly maxSilentPlaintext: number;
  /** The same of verified peers. */
  readonly maxSilentVerified: number;
  /** Kept to upstreams and applications, waiting for a request. */
  readonly maxIdleUpstream: number;
  /** Clients of the gateway, over all its ports. */
  readonly maxGatewayClients: number;
}

/** Node itself, listeners, logs, the control plane, files that are read. */
const OWN_DESCRIPTORS = 64;
/** Admin, status, readiness, metrics. */
const LOCAL_SERVERS = 4;

/** However many descriptors there are: each connection in these states costs memory, too. */
const MOST = { unproved: 1024, silentPlaintext: 1024, silentVerified: 8192, idle: 8192, gateway: 10_000 };

/**
 * Divides the descriptors that the process may open. A part is kept back for the proxy itself and for its small servers,
 * so that readiness answers and the control plane is reached however many clients there are; of the rest an eighth is
 * for kept upstream connections, and the two directions have half each: a flood from outside leaves the application's
 * own connections alone.
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
