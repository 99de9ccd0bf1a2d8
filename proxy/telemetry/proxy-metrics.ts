import { Counter, Gauge, Registry } from "prom-client";
import type { Clock } from "../../mesh/runtime.ts";
import { CONNECTION_LABEL_NAMES, type ConnectionLabels, connectionLabels } from "./connection-labels.ts";
import {
  type ByteCounts,
  type ConnectionMeter,
  type ConnectionSeries,
  createConnectionSeries,
  type SeriesTotals,
} from "./connection-series.ts";
import type { RequestMeters } from "./request-meter.ts";
import { registerRequestMetrics } from "./request-metrics.ts";
import { createRequestSeries } from "./request-series.ts";

export type Direction = "inbound" | "outbound";

/** Who wrote the answer that a gateway's client got. */
export type AnswerOrigin = "upstream" | "gateway";

/** What the proxy counts. Label values are constants of this code or verified names, never a client's text. */
export interface ProxyMetrics extends RequestMeters {
  /**
   * Counts a connection from its opening on. With `readBytes` its bytes are read at each scrape and at the end, so that
   * long connections are seen while they last; without it whoever carries them tells the meter.
   */
  openConnection(labels: ConnectionLabels, readBytes?: () => ByteCounts): ConnectionMeter;
  tlsHandshakeFailed(direction: Direction, reason: string): void;
  connectionRefused(direction: Direction, reason: string): void;
  detectionTimedOut(): void;
  /** @param reason why the gateway answered itself, of its own list; empty for an upstream's answer. */
  gatewayAnswered(origin: AnswerOrigin, status: number, reason: string): void;
  /** An entry of the access log was lost. */
  accessLogDropped(): void;
}

/** The metrics and their text, for the servers that Prometheus scrapes. */
export interface ScrapedMetrics extends ProxyMetrics {
  readonly contentType: string;
  /** Prometheus's text format, version 0.0.4. */
  exposition(): Promise<string>;
}

/** States that are read at the scrape. Each may be left out while its owner does not exist. */
export interface MetricViews {
  /** When the workload's certificate ends, in epoch milliseconds. */
  readonly certificateNotAfterMs?: () => number | undefined;
  readonly isControlPlaneConnected?: () => boolean;
  readonly activeConnections?: () => number;
  readonly pendingHandshakes?: () => number;
}

export interface ProxyMetricsOptions {
  readonly clock: Clock;
  /** The label `tag` of `istio_build`. @default "unknown" */
  readonly version?: string;
  readonly views?: MetricViews;
  /** How many label sets connections may have before they count as `unknown`, and requests likewise. @default 2000 */
  readonly maxSeries?: number;
  /** @default a registry of its own */
  readonly registry?: Registry;
}

/** Counts with prom-client. Names and labels are Istio's where Istio has them, else they start with `entente_`. */
export function createProxyMetrics(options: ProxyMetricsOptions): ScrapedMetrics {
  const { registry = new Registry(), views = {}, maxSeries = 2000 } = options;
  const registers = [registry];
  const series = createConnectionSeries(maxSeries);
  const requests = createRequestSeries(maxSeries);
  registerConnectionCounters(series, registry);
  registerRequestMetrics(requests, registry);
  registerGauges({ views, clock: options.clock, version: options.version ?? "unknown", registry });
  const labelNames = ["direction", "reason"] as const;
  const handshakeFailures = new Counter({
    name: "entente_tls_handshake_failures_total",
    help: "TLS handshakes that failed, or whose peer was not believed.",
    labelNames,
    registers,
  });
  const refusals = new Counter({
    name: "entente_connections_refused_total",
    help: "Connections that were closed before a byte was carried.",
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
    help: "Answers that the gateway's clients got, by who wrote them, class of status, and the gateway's own reason.",
    labelNames: ["origin", "class", "reason"],
    registers,
  });
  const droppedLines = new Counter({
    name: "entente_access_log_dropped_total",
    help: "Entries of the access log that were dropped, because its reader was too slow or gone.",
    registers,
  });
  return {
    openConnection: (labels, readBytes) => series.open(labels, readBytes),
    requestMeter: (facts) => requests.meter(connectionLabels(facts, "http")),
    tlsHandshakeFailed: (direction, reason) => handshakeFailures.inc({ direction, reason }),
    connectionRefused: (direction, reason) => refusals.inc({ direction, reason }),
    detectionTimedOut: () => detectionTimeouts.inc(),
    gatewayAnswered: (origin, status, reason) => answers.inc({ origin, class: statusClass(status), reason }),
    accessLogDropped: () => droppedLines.inc(),
    contentType: registry.contentType,
    exposition: () => registry.metrics(),
  };
}

/** Metrics for those who do not count: every method is there and does nothing. */
export function createNoMetrics(): ProxyMetrics {
  const meter: ConnectionMeter = { sent: ignore, received: ignore, close: ignore };
  return {
    openConnection: () => meter,
    requestMeter: () => ({ count: ignore }),
    tlsHandshakeFailed: ignore,
    connectionRefused: ignore,
    detectionTimedOut: ignore,
    gatewayAnswered: ignore,
    accessLogDropped: ignore,
  };
}

function ignore(): void {}

const CONNECTION_COUNTERS: readonly {
  readonly name: string;
  readonly help: string;
  readonly value: (totals: SeriesTotals) => number;
}[] = [
  {
    name: "istio_tcp_connections_opened_total",
    help: "TCP connections that were opened.",
    value: (totals) => totals.opened,
  },
  {
    name: "istio_tcp_sent_bytes_total",
    help: "Bytes sent to those who opened the connections, without TLS.",
    value: (totals) => totals.sent,
  },
  {
    name: "istio_tcp_received_bytes_total",
    help: "Bytes received from those who opened the connections, without TLS.",
    value: (totals) => totals.received,
  },
];

/** The totals live in the series; prom-client's counters are filled from them at the scrape. */
function registerConnectionCounters(series: ConnectionSeries, registry: Registry): void {
  const labelNames = [...CONNECTION_LABEL_NAMES, "response_flags"];
  for (const { name, help, value } of CONNECTION_COUNTERS) {
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const totals of series.totals()) this.inc({ ...totals.labels, response_flags: "-" }, value(totals));
      },
    });
  }
  new Counter({
    name: "istio_tcp_connections_closed_total",
    help: "TCP connections that have ended, with Envoy's flags for how.",
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, closed } of series.totals()) {
        for (const [flags, count] of closed) this.inc({ ...labels, response_flags: flags }, count);
      }
    },
  });
}

interface GaugeOptions {
  readonly views: MetricViews;
  readonly clock: Clock;
  readonly version: string;
  readonly registry: Registry;
}

function registerGauges({ views, clock, version, registry }: GaugeOptions): void {
  const registers = [registry];
  new Gauge({ name: "istio_build", help: "What runs here.", labelNames: ["component", "tag"], registers }).set(
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
  registerView(registry, "entente_control_plane_connected", "1 while the control plane answers, else 0.", () =>
    views.isControlPlaneConnected?.() === true ? 1 : 0,
  );
  registerView(registry, "entente_active_connections", "Connections that are carried now.", () =>
    views.activeConnections?.(),
  );
  registerView(registry, "entente_pending_handshakes", "Inbound connections that have not proved themselves yet.", () =>
    views.pendingHandshakes?.(),
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

/** `2xx`, `5xx`, …: an upstream chooses the status, so only its class is a label. */
function statusClass(status: number): string {
  return status >= 100 && status < 600 ? `${Math.trunc(status / 100)}xx` : "other";
}
