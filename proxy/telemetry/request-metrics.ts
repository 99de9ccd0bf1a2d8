import type { MetricFamily } from "../../net/metrics/metric-family.ts";
import { type Distribution, REQUEST_BUCKETS, type RequestSeries, type RequestTotals } from "./request-series.ts";

const HISTOGRAMS: readonly {
  readonly name: string;
  readonly help: string;
  readonly read: (totals: RequestTotals) => Distribution;
}[] = [
  {
    name: "istio_request_duration_milliseconds",
    help: "Time from a request's head to the end of its response.",
    read: (totals) => totals.durationMs,
  },
  {
    name: "istio_request_bytes",
    help: "Bytes of requests, head and body, as received from the client.",
    read: (totals) => totals.requestBytes,
  },
  {
    name: "istio_response_bytes",
    help: "Bytes of responses, head and body, as sent to the client.",
    read: (totals) => totals.responseBytes,
  },
];

/** The series as Istio's counter of HTTP requests. */
export function requestCounter(series: RequestSeries): MetricFamily {
  const name = "istio_requests_total";
  return {
    name,
    help: "HTTP requests, by how they ended.",
    type: "counter",
    *samples() {
      for (const { labelText, requests } of series.totals()) yield `${name}{${labelText}} ${requests}\n`;
    },
  };
}

/** The series as Istio's histograms of HTTP requests. */
export function requestHistograms(series: RequestSeries): readonly MetricFamily[] {
  return HISTOGRAMS.map(({ name, help, read }) => ({
    name,
    help,
    type: "histogram",
    *samples() {
      for (const totals of series.totals()) yield formatHistogram(name, totals.labelText, read(totals));
    },
  }));
}

function formatHistogram(name: string, labels: string, { counts, sum }: Distribution): string {
  let total = 0;
  let text = "";
  for (const [index, count] of counts.entries()) {
    total += count;
    text += `${name}_bucket{${labels},le="${REQUEST_BUCKETS[index] ?? "+Inf"}"} ${total}\n`;
  }
  return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${total}\n`;
}
