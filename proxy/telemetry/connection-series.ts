import { formatLabels } from "../../net/metrics/metric-family.ts";
import type { ConnectionLabels } from "./connection-labels.ts";
import { createLabelSets } from "./label-sets.ts";

/**
 * Envoy's flags for how a connection ended: `-` closed cleanly, `DC` reset by the client, `UC` reset by the upstream,
 * `UF` upstream unreachable, `UH` no healthy upstream, `SI` idle too long, `DO` cut by the proxy, `UAEX` denied by a policy.
 */
export type ResponseFlags = "-" | "DC" | "UC" | "UF" | "UH" | "SI" | "DO" | "UAEX";

/** The application's bytes of one connection so far: `sent` to the client, `received` from it. */
export interface ByteCounts {
  readonly sent: number;
  readonly received: number;
}

/** Counts one connection. Adding bytes is one addition, because it is on the data path. */
export interface ConnectionMeter {
  sent(bytes: number): void;
  received(bytes: number): void;
  /** Counts the end, once; later events are ignored. */
  close(flags: ResponseFlags): void;
}

/** The totals of one label set. */
export interface SeriesTotals {
  /** In Prometheus's text format; formatted once, because they are most of a page. */
  readonly labelText: string;
  readonly opened: number;
  readonly sent: number;
  readonly received: number;
  readonly closed: ReadonlyMap<ResponseFlags, number>;
}

interface Series {
  readonly labelText: string;
  opened: number;
  sent: number;
  received: number;
  readonly closed: Map<ResponseFlags, number>;
}

interface LiveMeter extends ConnectionMeter {
  sample(): void;
}

export interface ConnectionSeries {
  /** With `readBytes`, bytes need not be reported: they are read by `sample` and at the end. */
  open(labels: ConnectionLabels, readBytes?: () => ByteCounts): ConnectionMeter;
  /** Reads the bytes of every open connection, for the `totals` that follow. */
  sample(): void;
  totals(): readonly SeriesTotals[];
}

/**
 * Totals by label set, at most `maxSeries` of them plus the few of `overflowLabels`, which count connections without
 * room for their own set.
 */
export function createConnectionSeries(maxSeries: number): ConnectionSeries {
  const sets = createLabelSets<Series>(maxSeries, (labels) => ({
    labelText: formatLabels(labels),
    opened: 0,
    sent: 0,
    received: 0,
    closed: new Map(),
  }));
  const sampled = new Set<LiveMeter>();
  return {
    open(labels, readBytes) {
      const series = sets.get(labels);
      series.opened += 1;
      if (readBytes === undefined) return createMeter(series);
      const meter = createSamplingMeter(series, readBytes, () => sampled.delete(meter));
      sampled.add(meter);
      return meter;
    },
    sample() {
      for (const meter of sampled) meter.sample();
    },
    totals: () => sets.values(),
  };
}

function createMeter(series: Series): ConnectionMeter {
  let isOpen = true;
  return {
    sent: (bytes) => {
      if (isOpen) series.sent += bytes;
    },
    received: (bytes) => {
      if (isOpen) series.received += bytes;
    },
    close: (flags) => {
      if (!isOpen) return;
      isOpen = false;
      series.closed.set(flags, (series.closed.get(flags) ?? 0) + 1);
    },
  };
}

function createSamplingMeter(series: Series, readBytes: () => ByteCounts, onClose: () => void): LiveMeter {
  const meter = createMeter(series);
  let seen: ByteCounts = { sent: 0, received: 0 };
  const sample = (): void => {
    const { sent, received } = readBytes();
    // A counter never decreases, whatever the socket reports after its end.
    const next = { sent: Math.max(sent, seen.sent), received: Math.max(received, seen.received) };
    meter.sent(next.sent - seen.sent);
    meter.received(next.received - seen.received);
    seen = next;
  };
  return {
    sent: meter.sent,
    received: meter.received,
    sample,
    close: (flags) => {
      sample();
      meter.close(flags);
      onClose();
    },
  };
}
