/** How long the parts of an exchange may take, in milliseconds, and how much is kept. */
export interface HttpTimeLimits {
  /** From a request's first byte to the end of its head. */
  readonly headTimeoutMs: number;
  /** How long a client may be silent in the middle of a body that we are willing to read. */
  readonly bodyIdleMs: number;
  /** How long a client's connection may wait for its next request (Envoy: an hour). */
  readonly downstreamIdleMs: number;
  /**
   * How long what is still coming is read and thrown away after the last answer, so that a reset does not destroy it.
   */
  readonly lingerMs: number;
  /** What of a request's body is kept at most for another try, in bytes. */
  readonly maxReplayBytes: number;
}

export const HTTP_TIME_LIMITS: HttpTimeLimits = {
  headTimeoutMs: 30_000,
  bodyIdleMs: 300_000,
  downstreamIdleMs: 3_600_000,
  lingerMs: 2000,
  maxReplayBytes: 65_536,
};

/**
 * How long an idle connection to an application is kept. Node closes its own after 5 s and many servers after as much;
 * ours must be shorter, or a request meets a connection that is just being closed. A server's own `Keep-Alive: timeout`
 * shortens it further.
 */
export const APPLICATION_IDLE_MS = 3500;

/** The same for a connection to another sidecar, which keeps its side for an hour. */
export const MESH_IDLE_MS = 60_000;

/** Idle connections that one endpoint may have. */
export const MAX_IDLE_PER_ENDPOINT = 256;
