import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import { formatClusterName, formatInboundClusterName } from "../telemetry/cluster-name.ts";
import { connectionLabels } from "../telemetry/connection-labels.ts";
import type { ResponseFlags } from "../telemetry/connection-series.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { AccessLog, AccessLogEntry } from "../telemetry/request-meter.ts";
import type { ConnectionObserver, ConnectionParties, RefusedConnection } from "./connection-observer.ts";
import type { OpenConnection } from "./connection-registry.ts";
import type { CutReason, RelayEnd } from "./relay.ts";

export interface ObserveOptions {
  readonly log: Logger;
  readonly metrics: ProxyMetrics;
  readonly clock: Clock;
  /** This workload's identity, once it has one. */
  readonly identity: () => SpiffeId | undefined;
  /** Receives an entry at the end of each connection. `undefined`: off. */
  readonly accessLog?: AccessLog | undefined;
}

/** Log lines a second for one kind of event. */
const LINES_PER_SECOND = 20;

/** Envoy's flag for each way in which a relayed connection ends. */
const FLAGS: Readonly<Record<RelayEnd, ResponseFlags>> = {
  closed: "-",
  reset_by_downstream: "DC",
  reset_by_upstream: "UC",
  idle_half_open: "SI",
  closed_by_proxy: "DO",
};

const CUT_MESSAGES: Readonly<Record<CutReason, string>> = {
  policy_changed: "a connection was cut: the policy no longer allows it",
  trust_changed: "a connection was cut: its peer is no longer trusted",
  revoked: "a connection was cut: its peer's certificate or identity is revoked",
  stopped: "a connection was cut: the proxy ends",
  displaced: "an idle connection was closed to make room: the process has too few file descriptors (ulimit -n)",
};

/** Turns connection events into log lines, metrics and access log entries. */
export function observeConnections(options: ObserveOptions): ConnectionObserver {
  const { log, metrics } = options;
  const limit = createLogLimiter(options.clock, LINES_PER_SECOND);
  return {
    opened(connection, parties) {
      const labels = connectionLabels(factsOf(connection, parties, options.identity()));
      const meter = metrics.openConnection(labels, () => connection.bytes());
      log.debug(fieldsOf(connection), "connection opened");
      const { authorization } = parties;
      const end = (flags: ResponseFlags, details: string): void => {
        meter.close(flags);
        options.accessLog?.write({ ...streamEntry(connection, options.clock), flags, details, authorization });
      };
      return {
        closed: (how) => end(FLAGS[how], connection.cutReason ?? ""),
        denied: (details) => end("UAEX", details),
      };
    },
    refused(refusal) {
      if (refusal.stage === "handshake") metrics.tlsHandshakeFailed(refusal.direction, refusal.reason);
      metrics.connectionRefused(refusal.direction, refusal.reason);
      const permit = limit(`${refusal.direction} ${refusal.reason}`);
      if (permit.isGranted) log.warn({ ...refusalFields(refusal), heldBack: permit.heldBack }, refusal.message);
    },
    detectionTimedOut(port) {
      metrics.detectionTimedOut();
      if (limit("detection").isGranted) {
        const fix = `name its Service port "tcp-…" or make the port STRICT, so that no client has to wait`;
        log.info(
          { component: "inbound", code: "detection_timeout", port },
          `a client of port ${port} stayed silent; ${fix}`,
        );
      }
    },
    malformed({ direction, reason, message, client, destination }) {
      const permit = limit(`malformed ${direction} ${reason}`);
      if (!permit.isGranted) return;
      const fields = { component: direction, code: reason, client, destination, heldBack: permit.heldBack };
      log.warn(fields, `a malformed request: ${message}`);
    },
    cut(connection, reason) {
      metrics.connectionCut(connection.direction, reason);
      const permit = limit(`cut ${connection.direction} ${reason}`);
      if (!permit.isGranted) return;
      log.warn({ ...fieldsOf(connection), code: reason, heldBack: permit.heldBack }, CUT_MESSAGES[reason]);
    },
  };
}

function factsOf(connection: OpenConnection, parties: ConnectionParties, own: SpiffeId | undefined) {
  const isInbound = connection.direction === "inbound";
  const peer = connection.peer?.identity;
  const isMutual = connection.peer !== undefined;
  return {
    reporter: isInbound ? ("destination" as const) : ("source" as const),
    source: parties.source,
    sourcePrincipal: isMutual ? (isInbound ? peer : own) : undefined,
    destination: parties.destination,
    destinationPrincipal: isMutual ? (isInbound ? own : peer) : undefined,
    service: parties.service,
    security: isMutual ? ("mutual_tls" as const) : ("none" as const),
  };
}

function streamEntry(
  connection: OpenConnection,
  clock: Clock,
): Omit<AccessLogEntry, "flags" | "details" | "authorization"> {
  const { direction } = connection;
  const durationMs = clock.monotonicMs() - connection.openedAtMs;
  const { sent, received } = connection.bytes();
  return {
    kind: "stream",
    direction,
    startedAtMs: clock.now() - durationMs,
    durationMs,
    method: "",
    path: "",
    authority: "",
    protocol: "TCP",
    status: 0,
    grpcStatus: undefined,
    bytesReceived: received,
    bytesSent: sent,
    requestId: "",
    userAgent: "",
    downstream: connection.client,
    destination: formatSocketAddress(connection.destination),
    upstream: formatSocketAddress(connection.endpoint),
    cluster: clusterOf(connection),
    route: "",
    peer: connection.peer?.identity ?? "",
  };
}

/** Istio's name for where the connection went. */
function clusterOf({ direction, destination, host }: OpenConnection): string {
  if (direction === "inbound") return formatInboundClusterName(destination.port);
  return host === "" ? "PassthroughCluster" : formatClusterName({ host, port: destination.port, subset: "" });
}

function fieldsOf(connection: OpenConnection) {
  return {
    component: connection.direction,
    client: connection.client,
    destination: formatSocketAddress(connection.destination),
    peer: connection.peer?.identity,
    rule: connection.rule,
  };
}

function refusalFields(refusal: RefusedConnection) {
  return {
    component: refusal.direction,
    code: refusal.reason,
    stage: refusal.stage,
    client: refusal.client,
    destination: refusal.destination,
  };
}
