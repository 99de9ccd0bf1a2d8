import type { HttpProtocol } from "../messages/http-version.ts";

/** Time limits of an exchange's parts, in milliseconds, and the size of the replay buffer. */
export interface HttpTimeLimits {
  /** From a request's first byte to the end of its head. */
  readonly headTimeoutMs: number;
  /**
   * How long a client may be silent in the middle of a body while we are reading, and only it can go on: no response has
   * begun, and it is not a call of gRPC.
   */
  readonly bodyIdleMs: number;
  /**
   * How long an exchange may last without a byte in either direction. Envoy's default is 5 minutes, but Istio turns it
   * off, because calls that wait for events are silent for longer. An hour ends only what both sides have forgotten.
   */
  readonly streamIdleMs: number;
  /** How long a client's connection may wait for its next request (Envoy: an hour). */
  readonly downstreamIdleMs: number;
  /** How long remaining bytes are read and discarded after the last response, so that a reset does not destroy it. */
  readonly lingerMs: number;
  /** How much of a request's body is kept for a retry, in bytes. */
  readonly maxReplayBytes: number;
}

export const HTTP_TIME_LIMITS: HttpTimeLimits = {
  headTimeoutMs: 30_000,
  bodyIdleMs: 300_000,
  streamIdleMs: 3_600_000,
  downstreamIdleMs: 3_600_000,
  lingerMs: 2000,
  maxReplayBytes: 65_536,
};

/**
 * How long an idle connection to an application is kept. Node and many other servers close theirs after 5 s; ours must
 * be shorter, or a request could meet a connection that is just being closed. A server's own `Keep-Alive: timeout`
 * shortens it further.
 */
export const APPLICATION_IDLE_MS = 3500;

/** The same for a connection to another sidecar, which keeps idle connections for an hour, and for HTTP/2. */
export const MESH_IDLE_MS = 60_000;

/** How long an idle connection is kept. A server of HTTP/2 announces the end of its connections. */
export function idleMsOf(protocol: HttpProtocol, isVerified: boolean): number {
  return isVerified || protocol === "http2" ? MESH_IDLE_MS : APPLICATION_IDLE_MS;
}

/** Idle connections per endpoint. */
export const MAX_IDLE_PER_ENDPOINT = 256;

/** How many endpoints one request tries: enough for a rolling update. */
export const MAX_ENDPOINTS_TRIED = 3;

/** How long a peer that did not negotiate HTTP/2 is not asked again. */
export const HTTP1_PEER_MS = 60_000;
