import type { MetricFamily } from "../../net/metrics/metric-family.ts";
import type { ConnectionSeries, SeriesTotals } from "./connection-series.ts";

const COUNTERS: readonly {
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
    help: "Bytes sent to the clients of the connections, without TLS.",
    value: (totals) => totals.sent,
  },
  {
    name: "istio_tcp_received_bytes_total",
    help: "Bytes received from the clients of the connections, without TLS.",
    value: (totals) => totals.received,
  },
];

/** The series as Istio's metrics of TCP connections. */
export function connectionFamilies(series: ConnectionSeries): readonly MetricFamily[] {
  const [opened, ...counters] = COUNTERS.map(
    ({ name, help, value }): MetricFamily => ({
      name,
      help,
      type: "counter",
      *samples() {
        for (const totals of series.totals())
          yield `${name}{${totals.labelText},response_flags="-"} ${value(totals)}\n`;
      },
    }),
  );
  return [...(opened === undefined ? [] : [sampledBefore(opened, series)]), ...counters, closedFamily(series)];
}

/** One reading of the open connections serves all families of a page. */
function sampledBefore(family: MetricFamily, series: ConnectionSeries): MetricFamily {
  return {
    ...family,
    samples() {
      series.sample();
      return family.samples();
    },
  };
}

function closedFamily(series: ConnectionSeries): MetricFamily {
  const name = "istio_tcp_connections_closed_total";
  return {
    name,
    help: "TCP connections that have ended, with Envoy's flags for how.",
    type: "counter",
    *samples() {
      for (const { labelText, closed } of series.totals()) {
        for (const [flags, count] of closed) yield `${name}{${labelText},response_flags="${flags}"} ${count}\n`;
      }
    },
  };
}
