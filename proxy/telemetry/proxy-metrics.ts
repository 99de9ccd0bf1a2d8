import { Counter, Gauge, Registry } from "prom-client";
import type { Clock } from "../../mesh/runtime.ts";
import { createMetricsSource, type MetricsSource } from "../../net/metrics/metrics-page.ts";
import { type AgentMeter, createAgentMeter, NO_AGENT_METER } from "./agent-meter.ts";
import { authorizationFamilies } from "./authorization-metrics.ts";
import { type AuthorizationSeries, createAuthorizationSeries } from "./authorization-series.ts";
import { type ConnectionLabels, connectionLabels } from "./connection-labels.ts";
import { connectionFamilies } from "./connection-metrics.ts";
import { type ByteCounts, type ConnectionMeter, createConnectionSeries } from "./connection-series.ts";
import { createLabelBound, OTHER_LABEL } from "./label-sets.ts";
import type { TrafficMeters } from "./request-meter.ts";
import { messageCounters, requestCounter, requestHistograms } from "./request-metrics.ts";
import { createRequestSeries } from "./request-series.ts";
import { formatStatus, statusClass } from "./status-codes.ts";
import { createTokenMeter, NO_TOKEN_METER, type TokenMeter } from "./token-meter.ts";

export type Direction = "inbound" | "outbound";

/** The origin of a gateway's response. */
export type ResponseOrigin = "upstream" | "gateway";

/** The proxy's counters. Label values are constants of this code or verified names, never a client's text. */
export interface ProxyMetrics extends TrafficMeters {
  /**
   * Counts a connection from its opening on. With `readBytes` its bytes are read at each scrape and at the end, so that
   * long connections are visible while they last. Without it the forwarding code reports them to the meter.
   */
  openConnection(labels: ConnectionLabels, readBytes?: () => ByteCounts): ConnectionMeter;
  tlsHandshakeFailed(direction: Direction, reason: string): void;
  connectionRefused(direction: Direction, reason: string): void;
  connectionCut(direction: Direction, reason: string): void;
  detectionTimedOut(): void;
  /** @param reason of a local reply, from the gateway's own list; empty for an upstream's response. */
  gatewayResponded(origin: ResponseOrigin, status: number, reason: string): void;
  /** Counts a lost entry of the access log. */
  accessLogDropped(): void;
  /** Requests with tokens. */
  readonly tokens: TokenMeter;
  /** Certificates, and what the control plane sends. */
  readonly agent: AgentMeter;
}

/** The metrics and their pages, for the servers that Prometheus scrapes. */
export interface ScrapedMetrics extends ProxyMetrics, MetricsSource {
  /** What AuthorizationPolicies have decided since the start, by rule. */
  readonly verdictTotals: AuthorizationSeries["totals"];
}

/** States that are read at the scrape. Each may be omitted while its owner does not exist. */
export interface MetricViews {
  /** When the workload's certificate expires, in epoch milliseconds. */
  readonly certificateNotAfterMs?: () => number | undefined;
  readonly isControlPlaneConnected?: () => boolean;
  readonly activeConnections?: () => number;
  readonly pendingHandshakes?: () => number;
  /** Revoked certificates, pods and identities in the trust bundle. */
  readonly revocations?: () => number;
}

export interface ProxyMetricsOptions {
  readonly clock: Clock;
  /** The label `tag` of `istio_build`. @default "unknown" */
  readonly version?: string;
  readonly views?: MetricViews;
  /** How many label sets connections may have before they count as `unknown`, and requests likewise. @default 2000 */
  readonly maxSeries?: number;
  /** The limit of a page. @default 8 MiB */
  readonly maxPageBytes?: number;
}

/** How many different reasons a counter distinguishes: all of our own, and the first from the wire. */
const MAX_REASONS = 64;

/** Counts with prom-client. Names and labels are Istio's where Istio has them, else they start with `entente_`. */
export function createProxyMetrics(options: ProxyMetricsOptions): ScrapedMetrics {
  const { views = {}, maxSeries = 2000, maxPageBytes } = options;
  const registry = new Registry();
  const registers = [registry];
  const series = createConnectionSeries(maxSeries);
  const requests = createRequestSeries(maxSeries);
  const verdicts = createAuthorizationSeries();
  const source = createMetricsSource({
    registry,
    families: [
      requestCounter(requests),
      ...messageCounters(requests),
      ...connectionFamilies(series),
      ...authorizationFamilies(verdicts),
      ...requestHistograms(requests),
    ],
    ...(maxPageBytes === undefined ? {} : { maxBytes: maxPageBytes }),
  });
  registerGauges({ views, clock: options.clock, version: options.version ?? "unknown", registry });
  const labelNames = ["direction", "reason"] as const;
  const handshakeFailures = new Counter({
    name: "entente_tls_handshake_failures_total",
    help: "TLS handshakes that failed, or whose peer was not trusted.",
    labelNames,
    registers,
  });
  const refusals = new Counter({
    name: "entente_connections_refused_total",
    help: "Connections that were closed before a byte was carried.",
    labelNames,
    registers,
  });
  const cuts = new Counter({
    name: "entente_connections_cut_total",
    help: "Connections that were allowed and then cut: policy or trust changed, the peer was revoked, or room was needed.",
    labelNames,
    registers,
  });
  const detectionTimeouts = new Counter({
    name: "entente_detection_timeouts_total",
    help: "Inbound clients that stayed silent until the application was opened for them without detection.",
    registers,
  });
  const answers = new Counter({
    name: "entente_gateway_responses_total",
    help: "Responses to the gateway's clients, by origin, class of status, and the gateway's own reason.",
    labelNames: ["origin", "class", "reason"],
    registers,
  });
  const droppedLines = new Counter({
    name: "entente_access_log_dropped_total",
    help: "Entries of the access log that were dropped, because its reader was too slow or had disconnected.",
    registers,
  });
  const handshakeReason = createLabelBound(MAX_REASONS);
  const refusalReason = createLabelBound(MAX_REASONS);
  const answerReason = createLabelBound(MAX_REASONS);
  return {
    ...source,
    openConnection: (labels, readBytes) => series.open(labels, readBytes),
    requestMeter: (facts) => requests.meter(connectionLabels(facts, "http")),
    countVerdict: verdicts.count,
    verdictTotals: verdicts.totals,
    tlsHandshakeFailed: (direction, reason) => handshakeFailures.inc({ direction, reason: handshakeReason(reason) }),
    connectionRefused: (direction, reason) => refusals.inc({ direction, reason: refusalReason(reason) }),
    connectionCut: (direction, reason) => cuts.inc({ direction, reason }),
    detectionTimedOut: () => detectionTimeouts.inc(),
    gatewayResponded: (origin, status, reason) =>
      answers.inc({ origin, class: formatClass(status), reason: answerReason(reason) }),
    accessLogDropped: () => droppedLines.inc(),
    tokens: createTokenMeter(registry),
    agent: createAgentMeter(registry),
  };
}

/** Metrics for callers that do not count: every method does nothing. */
export function createNoMetrics(): ProxyMetrics {
  const meter: ConnectionMeter = { sent: ignore, received: ignore, close: ignore };
  return {
    openConnection: () => meter,
    requestMeter: () => ({ count: ignore, calls: { countCall: ignore, addMessages: ignore } }),
    countVerdict: ignore,
    tlsHandshakeFailed: ignore,
    connectionRefused: ignore,
    connectionCut: ignore,
    detectionTimedOut: ignore,
    gatewayResponded: ignore,
    accessLogDropped: ignore,
    tokens: NO_TOKEN_METER,
    agent: NO_AGENT_METER,
  };
}

function ignore(): void {}

interface GaugeOptions {
  readonly views: MetricViews;
  readonly clock: Clock;
  readonly version: string;
  readonly registry: Registry;
}

function registerGauges({ views, clock, version, registry }: GaugeOptions): void {
  const registers = [registry];
  new Gauge({ name: "istio_build", help: "Build information.", labelNames: ["component", "tag"], registers }).set(
    { component: "proxy", tag: version },
    1,
  );
  new Gauge({
    name: "istio_agent_cert_expiry_seconds",
    help: "Seconds until the workload's certificate expires; negative once it has.",
    labelNames: ["resource_name"],
    registers,
    collect() {
      this.reset();
      const notAfterMs = views.certificateNotAfterMs?.();
      if (notAfterMs !== undefined) this.set({ resource_name: "default" }, (notAfterMs - clock.now()) / 1000);
    },
  });
  registerView(registry, "entente_control_plane_connected", "1 while the control plane is connected, else 0.", () =>
    views.isControlPlaneConnected?.() === true ? 1 : 0,
  );
  registerView(registry, "entente_active_connections", "Connections that are being forwarded.", () =>
    views.activeConnections?.(),
  );
  registerView(registry, "entente_pending_handshakes", "Inbound connections that are not verified yet.", () =>
    views.pendingHandshakes?.(),
  );
  registerView(registry, "entente_revocations", "Revoked certificates, pods and identities in the trust bundle.", () =>
    views.revocations?.(),
  );
}

function registerView(registry: Registry, name: string, help: string, read: () => number | undefined): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read() ?? 0);
    },
  });
}

/** `2xx`, `5xx`, …: the upstream chooses the status, so only its class is a label. */
function formatClass(status: number): string {
  return status >= 100 && status < 600 ? formatStatus(statusClass(status)) : OTHER_LABEL;
}
