/** Streams to the control plane; each costs the control plane about 100 KB. */
export interface WatchLimits {
  /** Targets without a response so far; more are queued. */
  readonly asking: number;
  /** Destinations of the mesh. */
  readonly mesh: number;
  /** Addresses outside the mesh, and those that are refused: an application may dial any number of them. */
  readonly outside: number;
}

/**
 * The control plane grants one pod 1024 streams, and while a proxy moves to a new connection it holds each one twice.
 * So all of these and a few others (trust bundle, inbound policy, gateway) must stay below 512.
 */
export const DEFAULT_WATCH_LIMITS: WatchLimits = { asking: 32, mesh: 384, outside: 32 };
