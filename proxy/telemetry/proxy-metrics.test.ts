import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { WorkloadInfo } from "../../mesh/policy/types.ts";
import { readPage } from "../../net/metrics/exposition-fixture.ts";
import { type ConnectionLabels, connectionLabels } from "./connection-labels.ts";
import { createNoMetrics, createProxyMetrics, type ScrapedMetrics } from "./proxy-metrics.ts";

const labels = connectionLabels({ reporter: "destination", security: "mutual_tls" });

const WORKLOAD: WorkloadInfo = {
  namespace: "ns",
  pod: "",
  workload: "",
  serviceAccount: "",
  app: "",
  version: "",
  canonicalService: "",
  canonicalRevision: "",
};

function labelsOf(workload: string): ConnectionLabels {
  return connectionLabels({ reporter: "destination", destination: { ...WORKLOAD, workload }, security: "none" });
}

/** The samples of one metric: the labels' text and the value. */
async function samples(metrics: ScrapedMetrics, name: string): Promise<{ labels: string; value: number }[]> {
  const text = await readPage(metrics);
  return text.split("\n").flatMap((line) => {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    return match?.[1] === name ? [{ labels: match[2] ?? "", value: Number(match[3]) }] : [];
  });
}

async function value(metrics: ScrapedMetrics, name: string): Promise<number | undefined> {
  return (await samples(metrics, name))[0]?.value;
}

describe("connections", () => {
  it("are counted when they open and when they close, with their bytes", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const meter = metrics.openConnection(labels);
    meter.sent(10);
    meter.sent(5);
    meter.received(7);
    expect(await value(metrics, "istio_tcp_connections_opened_total")).toBe(1);
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(15);
    expect(await value(metrics, "istio_tcp_received_bytes_total")).toBe(7);
    expect(await value(metrics, "istio_tcp_connections_closed_total")).toBeUndefined();
    meter.close("UC");
    const [closed] = await samples(metrics, "istio_tcp_connections_closed_total");
    expect(closed?.value).toBe(1);
    expect(closed?.labels).toContain('response_flags="UC"');
    expect(closed?.labels).toContain('connection_security_policy="mutual_tls"');
  });

  it("count their end once, and nothing after it", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const meter = metrics.openConnection(labels);
    meter.close("-");
    meter.close("DC");
    meter.sent(1);
    const closed = await samples(metrics, "istio_tcp_connections_closed_total");
    expect(closed.map((sample) => sample.value)).toEqual([1]);
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(0);
  });

  it("show their bytes while they are open, if these can be read", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    let bytes = { sent: 100, received: 1 };
    const meter = metrics.openConnection(labels, () => bytes);
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(100);
    bytes = { sent: 150, received: 3 };
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(150);
    bytes = { sent: 160, received: 4 };
    meter.close("-");
    bytes = { sent: 1000, received: 1000 };
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(160);
    expect(await value(metrics, "istio_tcp_received_bytes_total")).toBe(4);
  });

  it("never decrease a counter", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    let bytes = { sent: 100, received: 100 };
    const meter = metrics.openConnection(labels, () => bytes);
    await readPage(metrics);
    bytes = { sent: 0, received: 0 };
    meter.close("-");
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(100);
  });

  it("of the same labels are added up", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    metrics.openConnection(labels).sent(1);
    metrics.openConnection({ ...labels }).sent(2);
    expect(await samples(metrics, "istio_tcp_sent_bytes_total")).toHaveLength(1);
    expect(await value(metrics, "istio_tcp_sent_bytes_total")).toBe(3);
  });

  it("count as unknown once there are too many label sets", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock(), maxSeries: 3 });
    for (let index = 0; index < 50; index += 1) metrics.openConnection(labelsOf(`workload-${index}`));
    const opened = await samples(metrics, "istio_tcp_connections_opened_total");
    expect(opened).toHaveLength(4);
    const overflow = opened.find((sample) => sample.labels.includes('destination_workload="unknown"'));
    expect(overflow?.value).toBe(47);
  });
});

describe("requests", () => {
  it("are counted as HTTP, by the same labels as connections", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const facts = { reporter: "destination", security: "mutual_tls" } as const;
    const request = { status: 404, flags: "-", durationMs: 2, requestBytes: 80, responseBytes: 300 } as const;
    metrics.requestMeter(facts).count(request);
    metrics.requestMeter(facts).count(request);
    const [total, ...others] = await samples(metrics, "istio_requests_total");
    expect(others).toEqual([]);
    expect(total?.value).toBe(2);
    expect(total?.labels).toContain(
      'request_protocol="http",connection_security_policy="mutual_tls",response_code="404"',
    );
    expect(await value(metrics, "istio_request_duration_milliseconds_sum")).toBe(4);
    expect(await value(metrics, "istio_request_bytes_sum")).toBe(160);
    expect(await value(metrics, "istio_response_bytes_sum")).toBe(600);
  });

  it("have a limit of label sets of their own", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock(), maxSeries: 1 });
    metrics.openConnection(labelsOf("tcp"));
    const destination = { ...WORKLOAD, workload: "http" };
    const request = { status: 200, flags: "-", durationMs: 2, requestBytes: 80, responseBytes: 300 } as const;
    metrics.requestMeter({ reporter: "destination", destination, security: "none" }).count(request);
    const [total] = await samples(metrics, "istio_requests_total");
    expect(total?.labels).toContain('destination_workload="http"');
  });
});

describe("the proxy's state", () => {
  it("is read at the scrape", async () => {
    const clock = new FakeClock();
    let notAfterMs: number | undefined;
    const metrics = createProxyMetrics({
      clock,
      version: "1.2.3",
      views: {
        certificateNotAfterMs: () => notAfterMs,
        isControlPlaneConnected: () => notAfterMs !== undefined,
        activeConnections: () => 12,
        pendingHandshakes: () => 3,
      },
    });
    expect(await value(metrics, "istio_agent_cert_expiry_seconds")).toBeUndefined();
    expect(await value(metrics, "entente_control_plane_connected")).toBe(0);
    notAfterMs = clock.now() + 90_000;
    expect(await samples(metrics, "istio_agent_cert_expiry_seconds")).toEqual([
      { labels: 'resource_name="default"', value: 90 },
    ]);
    clock.jump(100_000);
    expect(await value(metrics, "istio_agent_cert_expiry_seconds")).toBe(-10);
    expect(await value(metrics, "entente_control_plane_connected")).toBe(1);
    expect(await value(metrics, "entente_active_connections")).toBe(12);
    expect(await value(metrics, "entente_pending_handshakes")).toBe(3);
    expect(await samples(metrics, "istio_build")).toEqual([{ labels: 'component="proxy",tag="1.2.3"', value: 1 }]);
  });
});

describe("requests for certificates", () => {
  it("are counted with the names of Istio's agent, from zero", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const read = async () => [
      await samples(metrics, "istio_agent_num_outgoing_requests"),
      await samples(metrics, "istio_agent_num_outgoing_retries"),
      await samples(metrics, "istio_agent_num_failed_outgoing_requests"),
      await samples(metrics, "istio_agent_outgoing_latency"),
    ];
    const csr = (value: number) => [{ labels: 'request_type="csr"', value }];
    expect(await read()).toEqual([csr(0), csr(0), csr(0), csr(0)]);
    metrics.agent.certificateRequested(false);
    metrics.agent.certificateRequestEnded(false, 5000);
    metrics.agent.certificateRequested(true);
    metrics.agent.certificateRequestEnded(true, 20);
    expect(await read()).toEqual([csr(2), csr(1), csr(1), csr(5020)]);
  });
});

describe("what went wrong", () => {
  it("is counted by direction and reason", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    metrics.tlsHandshakeFailed("inbound", "unknown_root");
    metrics.connectionRefused("outbound", "no_healthy_endpoint");
    metrics.connectionCut("inbound", "revoked");
    metrics.detectionTimedOut();
    metrics.gatewayResponded("gateway", 404, "no_route");
    metrics.gatewayResponded("upstream", 999, "");
    metrics.accessLogDropped();
    const [handshake] = await samples(metrics, "entente_tls_handshake_failures_total");
    expect(handshake).toEqual({ labels: 'direction="inbound",reason="unknown_root"', value: 1 });
    const [refused] = await samples(metrics, "entente_connections_refused_total");
    expect(refused?.labels).toBe('direction="outbound",reason="no_healthy_endpoint"');
    const [cut] = await samples(metrics, "entente_connections_cut_total");
    expect(cut).toEqual({ labels: 'direction="inbound",reason="revoked"', value: 1 });
    expect(await value(metrics, "entente_detection_timeouts_total")).toBe(1);
    expect(await value(metrics, "entente_access_log_dropped_total")).toBe(1);
    const answers = await samples(metrics, "entente_gateway_responses_total");
    expect(answers.map((sample) => sample.labels)).toEqual([
      'origin="gateway",class="4xx",reason="no_route"',
      'origin="upstream",class="other",reason=""',
    ]);
  });
});

describe("reasons from the wire", () => {
  it("are separate up to a limit, and counted together beyond it", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    for (let alert = 0; alert < 500; alert += 1) {
      metrics.tlsHandshakeFailed("inbound", `ERR_SSL_ALERT_${alert}`);
      metrics.connectionRefused("inbound", `ERR_SSL_ALERT_${alert}`);
      metrics.gatewayResponded("gateway", 503, `ERR_SSL_ALERT_${alert}`);
    }
    for (const name of [
      "entente_tls_handshake_failures_total",
      "entente_connections_refused_total",
      "entente_gateway_responses_total",
    ]) {
      const counted = await samples(metrics, name);
      expect(counted.length).toBeLessThan(70);
      expect(counted.reduce((sum, one) => sum + one.value, 0)).toBe(500);
      expect(counted.at(-1)?.labels).toContain('reason="other"');
    }
  });
});

describe("createNoMetrics", () => {
  it("accepts everything and does nothing", () => {
    const metrics = createNoMetrics();
    const meter = metrics.openConnection(labels, () => {
      throw new Error("not called");
    });
    expect(() => {
      meter.sent(1);
      meter.close("-");
      metrics.tlsHandshakeFailed("inbound", "x");
      metrics.accessLogDropped();
    }).not.toThrow();
  });
});
