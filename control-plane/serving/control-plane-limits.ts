import type { CallRateLimits } from "../../net/call-rates.ts";
import { decideServerConnections } from "../../net/descriptor-limit.ts";
import type { CallTurnLimits } from "./call-turns.ts";
import type { TrafficLimits } from "./caller-traffic.ts";
import type { RefusalLimits } from "./delayed-refusals.ts";
import type { KeepaliveLimits } from "./keepalive.ts";
import type { NewConnectionLimits } from "./new-connections.ts";

/** What connections may cost. */
export interface ConnectionLimits extends KeepaliveLimits, NewConnectionLimits, TrafficLimits {
  /** Connections without a verified peer, handshakes included; one more ends the oldest of the address with the most. */
  readonly maxUnverifiedConnections: number;
  /** How long a connection without a verified peer may last: it needs one call, for a certificate. */
  readonly unverifiedLifetimeMs: number;
  /** Connections of one caller, as by `formatCaller`; one more ends the oldest. A sidecar needs two. */
  readonly maxConnectionsPerCaller: number;
  /** How long open calls may still run when a connection has to end. */
  readonly closeGraceMs: number;
  /** The same for a peer that is no longer trusted: it still receives the trust bundle that says so. */
  readonly untrustedGraceMs: number;
  /** In what time all connections are asked to end when the control plane ends. */
  readonly closeSpreadMs: number;
}

/** What callers may take of the control plane. */
export interface ControlPlaneLimits extends ConnectionLimits, CallRateLimits, CallTurnLimits, RefusalLimits {
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  /** Open calls of a verified peer on one connection: a proxy has one stream, and asks for a certificate at times. */
  readonly maxStreamsOfVerified: number;
  /** For callers without a certificate: they need one call, and each call may make us hold a whole message. */
  readonly maxStreamsOfUnverified: number;
  /** Incomplete requests of all verified peers together; one more ends the oldest. */
  readonly maxArrivingOfVerified: number;
  /** The same for all peers without a certificate. */
  readonly maxArrivingOfUnverified: number;
  /**
   * How long a call with one response may take until that is read; to judge a token takes seconds. A response that is not read
   * would be kept for as long as its connection.
   */
  readonly callTimeoutMs: number;
  /** Per message; a service may set a lower limit for its own. */
  readonly maxMessageBytes: number;
}

export const DEFAULT_LIMITS: ControlPlaneLimits = {
  maxConnections: 20_000,
  maxUnverifiedConnections: 1000,
  newConnectionBurst: 500,
  newConnectionsPerSecond: 10,
  verifiedConnectionBurst: 64,
  verifiedConnectionsPerSecond: 1,
  provenConnectionBurst: 20_000,
  provenConnectionsPerSecond: 100,
  unverifiedLifetimeMs: 60_000,
  closeGraceMs: 5_000,
  untrustedGraceMs: 1_000,
  closeSpreadMs: 4_000,
  pingIntervalMs: 20_000,
  pingTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  maxConnectionsPerCaller: 64,
  trafficBurstBytes: 16 * 1024 * 1024,
  trafficBytesPerSecond: 1024 * 1024,
  trafficSampleMs: 1000,
  callBurst: 64,
  callsPerSecond: 10,
  refusalDelayMs: 1000,
  maxDelayedRefusals: 1024,
  maxWaitingCalls: 2048,
  maxStreamsOfVerified: 16,
  maxStreamsOfUnverified: 10,
  maxArrivingOfVerified: 1024,
  maxArrivingOfUnverified: 256,
  callTimeoutMs: 60_000,
  maxMessageBytes: 64 * 1024,
};

/**
 * The same, with no more connections than the process has descriptors for. Callers without a certificate get a share of
 * them.
 */
export function limitByDescriptors(limits: ControlPlaneLimits, maxDescriptors: number): ControlPlaneLimits {
  const maxConnections = decideServerConnections(limits.maxConnections, maxDescriptors);
  const maxUnverifiedConnections = Math.min(limits.maxUnverifiedConnections, Math.ceil(maxConnections / 4));
  return { ...limits, maxConnections, maxUnverifiedConnections };
}
