import { Counter, Histogram, type Registry } from "prom-client";
import { CONNECTION_LABEL_NAMES } from "./connection-labels.ts";
import { type Distribution, REQUEST_BUCKETS, type RequestSeries, type RequestTotals } from "./request-series.ts";

const LABEL_NAMES = [...CONNECTION_LABEL_NAMES, "response_code", "response_flags"];

const HISTOGRAMS: readonly {
  readonly name: string;
  readonly help: string;
  readonly read: (totals: RequestTotals) => Distribution;
}[] = [
  {
    name: "istio_request_duration_milliseconds",
    help: "Time from a request's head to the end of its answer.",
    read: (totals) => totals.durationMs,
  },
  {
    name: "istio_request_bytes",
    help: "Bytes of requests, head and body, as they came from the client.",
    read: (totals) => totals.requestBytes,
  },
  {
    name: "istio_response_bytes",
    help: "Bytes of answers, head and body, as they went to the client.",
    read: (totals) => totals.responseBytes,
  },
];

/** Shows the series as Istio's metrics of HTTP requests. The totals live in the series and are read at the scrape. */
export function registerRequestMetrics(series: RequestSeries, registry: Registry): void {
  new Counter({
    name: "istio_requests_total",
    help: "HTTP requests, by how they ended.",
    labelNames: LABEL_NAMES,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, requests } of series.totals()) this.inc(labels, requests);
    },
  });
  for (const { name, help, read } of HISTOGRAMS) new SeriesHistogram({ name, help, registry, series, read });
}

interface SeriesHistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly registry: Registry;
  readonly series: RequestSeries;
  readonly read: (totals: RequestTotals) => Distribution;
}

/** A sample in the form in which prom-client's registry writes it. */
interface Sample {
  readonly metricName: string;
  /** The sample's own labels; prom-client may add to them. */
  readonly labels: Record<string, string | number>;
  /** Written once and kept by prom-client for as long as the object lives. */
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * A histogram whose counts are somebody else's: prom-client can only be told single values, and takes microseconds for
 * each. Its registry asks a histogram for its samples by `getForPromString`, and so does its own `get`.
 */
class SeriesHistogram extends Histogram {
  readonly #options: SeriesHistogramOptions;

  constructor(options: SeriesHistogramOptions) {
    const { name, help, registry } = options;
    super({ name, help, labelNames: LABEL_NAMES, buckets: [...REQUEST_BUCKETS], registers: [registry] });
    this.#options = options;
  }

  async getForPromString() {
    const { name, help, series, read } = this.#options;
    const values = series.totals().flatMap((totals) => samplesOf(name, totals, read(totals)));
    return { name, help, type: "histogram", aggregator: "sum", values };
  }
}

function samplesOf(name: string, { labels: sharedLabels }: RequestTotals, { counts, sum }: Distribution): Sample[] {
  let total = 0;
  const samples: Sample[] = counts.map((count, index) => {
    total += count;
    return {
      metricName: `${name}_bucket`,
      labels: { le: REQUEST_BUCKETS[index] ?? "+Inf" },
      sharedLabels,
      value: total,
    };
  });
  samples.push(
    { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
    { metricName: `${name}_count`, labels: {}, sharedLabels, value: total },
  );
  return samples;
}
