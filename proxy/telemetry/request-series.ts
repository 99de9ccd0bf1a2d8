import { formatLabels } from "../../net/metrics/metric-family.ts";
import type { ConnectionLabels } from "./connection-labels.ts";
import { createLabelSets } from "./label-sets.ts";
import type { CountedRequest, RequestMeter } from "./request-meter.ts";
import { countedStatus, formatStatus, statusClass } from "./status-codes.ts";

/** Upper bounds of the histograms' buckets: Envoy's defaults, for milliseconds and bytes alike. */
export const REQUEST_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/**
 * How many pairs of status and flags a label set may have before further ones count by their class. Each has 67 samples
 * of about 1 KB: an upstream that sends every status must not fill the page.
 */
export const MAX_STATUSES = 16;

/** A label set of requests: Istio's labels of the connection, and how the requests ended. */
export type RequestLabels = ConnectionLabels & { readonly response_code: string; readonly response_flags: string };

/** The distribution of one kind of value. */
export interface Distribution {
  /** Counts per bucket of REQUEST_BUCKETS (not cumulative), then those above the last. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** The totals of one label set with one status and one set of flags, at the time of reading. */
export interface RequestTotals {
  readonly labels: RequestLabels;
  /** The labels in Prometheus's text format. */
  readonly labelText: string;
  readonly requests: number;
  readonly durationMs: Distribution;
  readonly requestBytes: Distribution;
  readonly responseBytes: Distribution;
}

export interface RequestSeries {
  meter(labels: ConnectionLabels): RequestMeter;
  /** The first of each label set, then the second of each, …: if room is short, every peer has some. */
  totals(): Iterable<RequestTotals>;
}

/**
 * Counts requests by label set, status and flags. At most `maxSets` label sets and the few of `overflowLabels`; in each
 * MAX_STATUSES pairs of status and flags, because a hostile upstream can respond with every status. Further ones count
 * by their class (`5xx`), so that failures still look like failures.
 */
export function createRequestSeries(maxSets: number): RequestSeries {
  const sets = createLabelSets(maxSets, (labels) => new RequestSet(labels));
  return {
    meter: (labels) => sets.get(labels),
    *totals() {
      let found = true;
      for (let rank = 0; found; rank += 1) {
        found = false;
        for (const set of sets.values()) {
          const series = set.at(rank);
          if (series === undefined) continue;
          found = true;
          yield series;
        }
      }
    },
  };
}

/** Requests of one label set. The pair of the last request is tried first: usually the next one is the same. */
class RequestSet implements RequestMeter {
  readonly #labels: ConnectionLabels;
  /** By flags, then by status. */
  readonly #byFlags = new Map<string, Map<number, StatusSeries>>();
  readonly #inOrder: StatusSeries[] = [];
  #labelText: string | undefined;
  #last: StatusSeries | undefined;

  constructor(labels: ConnectionLabels) {
    this.#labels = labels;
  }

  get labels(): ConnectionLabels {
    return this.#labels;
  }

  /** Formatted once: it is most of a page. */
  get labelText(): string {
    this.#labelText ??= formatLabels(this.#labels);
    return this.#labelText;
  }

  count(request: CountedRequest): void {
    const status = countedStatus(request.status);
    const { flags } = request;
    let series = this.#last;
    if (series === undefined || series.status !== status || series.flags !== flags) {
      series = this.#find(status, flags);
      this.#last = series;
    }
    series.add(request);
  }

  /** Series in the order of their first count. */
  at(rank: number): StatusSeries | undefined {
    return this.#inOrder[rank];
  }

  #find(status: number, flags: string): StatusSeries {
    const statuses = this.#byFlags.get(flags) ?? new Map<number, StatusSeries>();
    const known = statuses.get(status);
    if (known !== undefined) return known;
    const counted = this.#inOrder.length < MAX_STATUSES ? status : statusClass(status);
    const found = statuses.get(counted);
    if (found !== undefined) return found;
    const series = new StatusSeries(this, counted, flags);
    this.#byFlags.set(flags, statuses.set(counted, series));
    this.#inOrder.push(series);
    return series;
  }
}

/** Layout of a series: the buckets, the overflow, and the sum, three times. */
const OVER = REQUEST_BUCKETS.length;
const SUM = OVER + 1;
const STRIDE = SUM + 1;

class StatusSeries implements RequestTotals {
  /** 0 and 100..599, or a class: its first digit. */
  readonly status: number;
  readonly flags: string;
  readonly #set: RequestSet;
  readonly #values = new Float64Array(3 * STRIDE);

  constructor(set: RequestSet, status: number, flags: string) {
    this.status = status;
    this.flags = flags;
    this.#set = set;
  }

  get labels(): RequestLabels {
    return { ...this.#set.labels, ...this.#ownLabels() };
  }

  get labelText(): string {
    return `${this.#set.labelText},${formatLabels(this.#ownLabels())}`;
  }

  get requests(): number {
    return this.durationMs.counts.reduce((sum, count) => sum + count, 0);
  }

  get durationMs(): Distribution {
    return readDistribution(this.#values, 0);
  }

  get requestBytes(): Distribution {
    return readDistribution(this.#values, STRIDE);
  }

  get responseBytes(): Distribution {
    return readDistribution(this.#values, 2 * STRIDE);
  }

  add(request: CountedRequest): void {
    record(this.#values, 0, request.durationMs);
    record(this.#values, STRIDE, request.requestBytes);
    record(this.#values, 2 * STRIDE, request.responseBytes);
  }

  #ownLabels() {
    return { response_code: formatStatus(this.status), response_flags: this.flags };
  }
}

/** An impossible value would spoil the sum for ever, so it counts as 0. */
function record(values: Float64Array, offset: number, given: number): void {
  const value = given >= 0 && given < Number.POSITIVE_INFINITY ? given : 0;
  const bucket = offset + bucketIndex(value);
  const sum = offset + SUM;
  values[bucket] = (values[bucket] ?? 0) + 1;
  values[sum] = (values[sum] ?? 0) + value;
}

/** The first bucket for the value; OVER if there is none. */
function bucketIndex(value: number): number {
  let low = 0;
  let high = OVER;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value <= (REQUEST_BUCKETS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function readDistribution(values: Float64Array, offset: number): Distribution {
  return { counts: [...values.subarray(offset, offset + SUM)], sum: values[offset + SUM] ?? 0 };
}
