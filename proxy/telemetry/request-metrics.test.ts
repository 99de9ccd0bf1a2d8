import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { type ExposedSample, parseExposition, parseTypes, readPage } from "../../net/metrics/exposition-fixture.ts";
import { createMetricsSource } from "../../net/metrics/metrics-page.ts";
import { CONNECTION_LABEL_NAMES, connectionLabels } from "./connection-labels.ts";
import type { CountedRequest } from "./request-meter.ts";
import { requestCounter, requestHistograms } from "./request-metrics.ts";
import { createRequestSeries, MAX_STATUSES } from "./request-series.ts";
import { REQUEST_BUCKETS } from "./status-series.ts";

const LABELS = connectionLabels({ reporter: "destination", security: "mutual_tls" }, "http");
const OK: CountedRequest = { status: 200, flags: "-", durationMs: 3, requestBytes: 120, responseBytes: 4000 };
const LABEL_NAMES = [...CONNECTION_LABEL_NAMES, "response_code", "response_flags"].sort();
const FLAGS = ["-", "DC", "DPE", "UC", "UF", "UH", "UPE", "URX", "UT", "SI", "NR", "FI", "DI", "DO"] as const;

function createScraped(maxSets = 10) {
  const series = createRequestSeries(maxSets);
  const families = [requestCounter(series), ...requestHistograms(series)];
  const source = createMetricsSource({ registry: new Registry(), families });
  const samples = async () => parseExposition(await readPage(source));
  return {
    series,
    source,
    meter: series.meter(LABELS),
    scrape: async () => (await samples()).filter(({ name }) => name.startsWith("istio_")),
  };
}

function pick(samples: readonly ExposedSample[], name: string): readonly ExposedSample[] {
  return samples.filter((sample) => sample.name === name);
}

describe("requests", () => {
  it("have Istio's names, types and labels", async () => {
    const { source, scrape, meter } = createScraped();
    meter.count(OK);
    expect(parseTypes(await readPage(source))).toEqual({
      entente_metrics_truncated: "gauge",
      istio_requests_total: "counter",
      istio_request_duration_milliseconds: "histogram",
      istio_request_bytes: "histogram",
      istio_response_bytes: "histogram",
    });
    for (const { name, labels } of await scrape()) {
      const names = name.endsWith("_bucket") ? [...LABEL_NAMES, "le"].sort() : LABEL_NAMES;
      expect(Object.keys(labels).sort(), name).toEqual(names);
      expect(labels).toMatchObject({ ...LABELS, request_protocol: "http", response_code: "200", response_flags: "-" });
    }
  });

  it("are absent before the first", async () => {
    expect(await createScraped().scrape()).toEqual([]);
  });

  it("are spread over Envoy's buckets, which are cumulative", async () => {
    const { meter, scrape } = createScraped();
    for (const durationMs of [0, 0.5, 0.51, 5, 3_600_000, 3_600_001]) meter.count({ ...OK, durationMs });
    const samples = await scrape();
    const buckets = pick(samples, "istio_request_duration_milliseconds_bucket");
    expect(buckets.map(({ labels }) => labels["le"])).toEqual([...REQUEST_BUCKETS.map(String), "+Inf"]);
    const counts = Object.fromEntries(buckets.map(({ labels, value }) => [labels["le"], value]));
    expect(counts).toMatchObject({ "0.5": 2, "1": 3, "5": 4, "10": 4, "1800000": 4, "3600000": 5, "+Inf": 6 });
    expect(pick(samples, "istio_request_duration_milliseconds_count")[0]?.value).toBe(6);
    expect(pick(samples, "istio_request_duration_milliseconds_sum")[0]?.value).toBeCloseTo(7_200_007.01);
  });
});

describe("statuses", () => {
  it.each([
    { name: "the first", status: 100, code: "100" },
    { name: "the last registered one", status: 511, code: "511" },
    { name: "an unregistered one", status: 418, code: "4xx" },
    { name: "the last of its class", status: 599, code: "5xx" },
    { name: "none", status: 0, code: "0" },
    { name: "one too low", status: 99, code: "0" },
    { name: "one of a class that HTTP does not have", status: 600, code: "6xx" },
    { name: "one too high", status: 1000, code: "0" },
    { name: "a negative one", status: -200, code: "0" },
    { name: "no number", status: Number.NaN, code: "0" },
    { name: "a broken one", status: 200.5, code: "2xx" },
  ])("$name counts as $code", async ({ status, code }) => {
    const { meter, scrape } = createScraped();
    meter.count({ ...OK, status });
    meter.count({ ...OK, status });
    const totals = pick(await scrape(), "istio_requests_total");
    expect(totals.map(({ labels, value }) => [labels["response_code"], value])).toEqual([[code, 2]]);
  });

  it("are separate by their flags", async () => {
    const { meter, scrape } = createScraped();
    for (const flags of ["-", "UC", "-", "UF", "DO"] as const) meter.count({ ...OK, status: 503, flags });
    const totals = pick(await scrape(), "istio_requests_total");
    expect(Object.fromEntries(totals.map(({ labels, value }) => [labels["response_flags"], value]))).toEqual({
      "-": 2,
      UC: 1,
      UF: 1,
      DO: 1,
    });
  });

  it("are separate from their neighbours, whatever the flags", () => {
    const { meter, series } = createScraped();
    const statuses = [200, 201];
    const some = FLAGS.slice(0, MAX_STATUSES / 2);
    for (const status of statuses) for (const flags of some) meter.count({ ...OK, status, flags });
    const counted = [...series.totals()].map(({ labels, requests }) => [
      labels.response_code,
      labels.response_flags,
      requests,
    ]);
    expect(counted).toEqual(statuses.flatMap((status) => some.map((flags) => [String(status), flags, 1])));
  });

  it("count by their class when an upstream responds with every one", async () => {
    const { meter, scrape } = createScraped();
    meter.count(OK);
    for (let status = 599; status >= 100; status -= 1) meter.count({ ...OK, status });
    const totals = pick(await scrape(), "istio_requests_total");
    expect(totals.length).toBeLessThanOrEqual(MAX_STATUSES + 5);
    expect(totals.reduce((sum, { value }) => sum + value, 0)).toBe(501);
    const byCode = Object.fromEntries(totals.map(({ labels, value }) => [labels["response_code"], value]));
    expect(byCode).toMatchObject({ "200": 2, "511": 1, "451": 1, "4xx": 98, "3xx": 100, "1xx": 100 });
  });

  it("stay bounded also with every flag", async () => {
    const { meter, series } = createScraped();
    for (const flags of FLAGS) {
      for (let status = 0; status < 700; status += 1) meter.count({ ...OK, status, flags });
    }
    const totals = [...series.totals()];
    expect(totals.length).toBeLessThanOrEqual(MAX_STATUSES + 7 * FLAGS.length);
    expect(totals.reduce((sum, { requests }) => sum + requests, 0)).toBe(700 * FLAGS.length);
  });
});

describe("impossible measurements", () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1])("%d counts as 0", async (bad) => {
    const { meter, scrape } = createScraped();
    meter.count({ ...OK, durationMs: bad, requestBytes: bad, responseBytes: bad });
    meter.count(OK);
    const samples = await scrape();
    expect(pick(samples, "istio_request_duration_milliseconds_sum")[0]?.value).toBe(3);
    expect(pick(samples, "istio_response_bytes_sum")[0]?.value).toBe(4000);
    expect(pick(samples, "istio_request_bytes_count")[0]?.value).toBe(2);
  });
});

describe("label sets", () => {
  it("are shared for equal labels", async () => {
    const { series, scrape } = createScraped();
    series.meter({ ...LABELS }).count(OK);
    series.meter({ ...LABELS }).count(OK);
    expect(pick(await scrape(), "istio_requests_total").map(({ value }) => value)).toEqual([2]);
  });

  it("beyond the limit are counted together, still as HTTP and by reporter", async () => {
    const { series, scrape } = createScraped(3);
    for (let index = 0; index < 500; index += 1) {
      const labels = { ...LABELS, destination_workload: `workload-${index}`, source_principal: `spiffe://${index}` };
      series.meter(labels).count(OK);
    }
    const totals = pick(await scrape(), "istio_requests_total");
    // One set is that of the scrape's own meter, and also the overflow set: its parties are unknown.
    expect(totals.map(({ value }) => value)).toEqual([498, 1, 1]);
    expect(totals[0]?.labels).toMatchObject({
      reporter: "destination",
      request_protocol: "http",
      destination_workload: "unknown",
      source_principal: "unknown",
      connection_security_policy: "mutual_tls",
    });
  });
});
