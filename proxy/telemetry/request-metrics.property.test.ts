import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { expect, it } from "vitest";
import { parseExposition, readPage } from "../../net/metrics/exposition-fixture.ts";
import { createMetricsSource } from "../../net/metrics/metrics-page.ts";
import { CONNECTION_LABEL_NAMES, connectionLabels } from "./connection-labels.ts";
import type { CountedRequest } from "./request-meter.ts";
import { requestCounter, requestHistograms } from "./request-metrics.ts";
import { createRequestSeries } from "./request-series.ts";
import { REQUEST_BUCKETS } from "./status-series.ts";

const LABELS = ["source", "destination"].map((reporter) =>
  connectionLabels({ reporter: reporter === "source" ? "source" : "destination", security: "none" }, "http"),
);

const value = fc.oneof(
  fc.constantFrom(...REQUEST_BUCKETS),
  fc.nat(20_000),
  fc.double({ min: 0, max: 1e9, noNaN: true }),
);
const request: fc.Arbitrary<CountedRequest> = fc.record({
  status: fc.constantFrom(0, 200, 204, 404, 503),
  flags: fc.constantFrom("-", "UC", "DC"),
  durationMs: value,
  requestBytes: value,
  responseBytes: value,
});
const counted = fc.array(fc.tuple(fc.nat(1), request), { maxLength: 60 });

/** The same metrics as counted by prom-client. */
function createReference() {
  const registry = new Registry();
  const labelNames = [...CONNECTION_LABEL_NAMES, "response_code", "response_flags"];
  const common = { help: "reference", labelNames, registers: [registry] };
  const histogram = (name: string) => new Histogram({ ...common, name, buckets: [...REQUEST_BUCKETS] });
  const total = new Counter({ ...common, name: "istio_requests_total" });
  const duration = histogram("istio_request_duration_milliseconds");
  const requestBytes = histogram("istio_request_bytes");
  const responseBytes = histogram("istio_response_bytes");
  return {
    registry,
    count: (index: number, one: CountedRequest) => {
      const labels = { ...LABELS[index], response_code: String(one.status), response_flags: one.flags };
      total.inc(labels);
      duration.observe(labels, one.durationMs);
      requestBytes.observe(labels, one.requestBytes);
      responseBytes.observe(labels, one.responseBytes);
    },
  };
}

/** A scrape's samples, sorted. */
function scrape(text: string): readonly string[] {
  return parseExposition(text)
    .filter(({ name }) => name.startsWith("istio_"))
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(Object.entries(labels).sort())} ${value}`)
    .sort();
}

it("a scrape equals prom-client's for the same requests", async () => {
  await fc.assert(
    fc.asyncProperty(counted, async (requests) => {
      const series = createRequestSeries(10);
      const families = [requestCounter(series), ...requestHistograms(series)];
      const source = createMetricsSource({ registry: new Registry(), families });
      const reference = createReference();
      for (const [index, one] of requests) {
        const labels = LABELS[index];
        if (labels !== undefined) series.meter(labels).count(one);
        reference.count(index, one);
      }
      expect(scrape(await readPage(source))).toEqual(scrape(await reference.registry.metrics()));
    }),
    { numRuns: 60 },
  );
});
