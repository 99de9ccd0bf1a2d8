import { Counter, Gauge, type Registry } from "prom-client";
import type { UnwrittenReport } from "../../discovery/kubernetes/invalid-object-reporter.ts";

/**
 * Why a connection to the control plane's port failed or was ended:
 * - `handshake_failed`, `handshake_timeout`: no TLS handshake that we support, or none in time;
 * - `no_http2`, `protocol_error`: something else within TLS;
 * - `displaced`: one of too many without a verified peer;
 * - `overstayed`: open without a verified peer for too long;
 * - `no_ping_response`: a verified peer that no longer responds;
 * - `too_many_of_caller`: the oldest of too many of one identity at one address;
 * - `too_much_traffic`: of a caller that sends more than any sidecar would;
 * - `no_longer_trusted`: the root of its certificate was removed, or it was revoked;
 * - `too_many_new`: of an address that opens them faster than its pods could need;
 * - `too_many`: over the limit of all connections.
 */
export type RefusedConnection =
  | "handshake_failed"
  | "handshake_timeout"
  | "no_http2"
  | "protocol_error"
  | "displaced"
  | "overstayed"
  | "no_ping_response"
  | "too_many_of_caller"
  | "too_much_traffic"
  | "no_longer_trusted"
  | "too_many_new"
  | "too_many";

/** Whose call was ended or refused. */
export type CallOf = "verified" | "unverified";

/** The counters of the control plane's port. Callers whose token is refused are counted as in Citadel. */
export interface ControlPlaneMetrics {
  connectionRefused(reason: RefusedConnection): void;
  callDisplaced(peer: CallOf): void;
  callRefused(peer: CallOf): void;
  callTimedOut(peer: CallOf): void;
  callCrowdedOut(peer: CallOf): void;
  callsWaiting(peer: CallOf, calls: number): void;
}

/** Counts what could not be written about invalid objects. */
export function createReportMetrics(registry: Registry): (why: UnwrittenReport) => void {
  const unwritten = new Counter({
    name: "entente_control_plane_unwritten_reports_total",
    help: "Statuses of invalid objects and Events about them that the API server refused, by reason.",
    labelNames: ["reason"],
    registers: [registry],
  });
  return (reason) => unwritten.inc({ reason });
}

export function createControlPlaneMetrics(registry: Registry): ControlPlaneMetrics {
  const registers = [registry];
  const connections = new Counter({
    name: "entente_control_plane_connections_refused_total",
    help: "Connections to the control plane that were refused or ended, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const calls = new Counter({
    name: "entente_control_plane_calls_displaced_total",
    help: "Calls that were ended because too many requests were arriving, by whether the peer showed a certificate.",
    labelNames: ["peer"],
    registers,
  });
  const refused = new Counter({
    name: "entente_control_plane_calls_refused_total",
    help: "Calls that were refused because their caller began too many, by whether the peer showed a certificate.",
    labelNames: ["peer"],
    registers,
  });
  const timedOut = new Counter({
    name: "entente_control_plane_calls_timed_out_total",
    help: "Calls that were ended because their caller did not read the response, by whether the peer showed a certificate.",
    labelNames: ["peer"],
    registers,
  });
  const crowdedOut = new Counter({
    name: "entente_control_plane_calls_crowded_out_total",
    help: "Calls that were refused because too many of all callers waited, by whether the peer showed a certificate.",
    labelNames: ["peer"],
    registers,
  });
  const waiting = new Gauge({
    name: "entente_control_plane_calls_waiting",
    help: "Calls that wait for their caller's turn, by whether the peer showed a certificate.",
    labelNames: ["peer"],
    registers,
  });
  return {
    callCrowdedOut: (peer) => crowdedOut.inc({ peer }),
    callsWaiting: (peer, calls) => waiting.set({ peer }, calls),
    callTimedOut: (peer) => timedOut.inc({ peer }),
    callRefused: (peer) => refused.inc({ peer }),
    connectionRefused: (reason) => connections.inc({ reason }),
    callDisplaced: (peer) => calls.inc({ peer }),
  };
}
