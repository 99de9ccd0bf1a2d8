import type { MetricFamily } from "../../net/metrics/metric-family.ts";
import type { MessageTotals, RequestSeries } from "./request-series.ts";
import { type Distribution, REQUEST_BUCKETS, type RequestTotals } from "./status-series.ts";

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

/** The series as Istio's counters of messages in calls of gRPC. */
export function messageCounters(series: RequestSeries): readonly MetricFamily[] {
  const count = (side: "requests" | "responses", name: string, help: string): MetricFamily => ({
    name,
    help,
    type: "counter",
    *samples() {
      for (const totals of series.messageTotals()) yield formatMessages(name, totals, side);
    },
  });
  return [
    count("requests", "istio_request_messages_total", "Messages that the clients of gRPC calls sent."),
    count("responses", "istio_response_messages_total", "Messages that the servers of gRPC calls sent."),
  ];
}

function formatMessages(name: string, totals: MessageTotals, side: "requests" | "responses"): string {
  return `${name}{${totals.labelText}} ${totals[side]}\n`;
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
