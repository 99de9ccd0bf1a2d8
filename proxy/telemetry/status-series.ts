import { formatLabels } from "../../net/metrics/metric-family.ts";
import type { ConnectionLabels } from "./connection-labels.ts";
import type { CountedRequest } from "./request-meter.ts";
import { formatStatus } from "./status-codes.ts";

/** Upper bounds of the histograms' buckets: Envoy's defaults, for milliseconds and bytes alike. */
export const REQUEST_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/**
 * A label set of requests: Istio's labels of the connection, and how the requests ended. Calls of gRPC have their status,
 * empty without a response; other requests have no such label, which Prometheus reads as Istio's empty one.
 */
export type RequestLabels = ConnectionLabels & {
  readonly response_code: string;
  readonly response_flags: string;
  readonly grpc_response_status?: string;
};

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

/** The label set that series belong to. */
export interface LabelledSet {
  readonly labels: ConnectionLabels;
  /** In Prometheus's text format. */
  readonly labelText: string;
}

/** A status of gRPC among numbers: not a call, and a call without a response. */
export const NO_CALL = -1;
export const NO_GRPC_STATUS = 17;

/** Layout of a series: the buckets, the overflow, and the sum, three times. */
const OVER = REQUEST_BUCKETS.length;
const SUM = OVER + 1;
const STRIDE = SUM + 1;

/** The requests of one label set that ended alike. */
export class StatusSeries implements RequestTotals {
  /** 0 and 100..599, or a class: its first digit. */
  readonly status: number;
  readonly flags: string;
  /** 0..16, NO_CALL or NO_GRPC_STATUS. */
  readonly grpcStatus: number;
  readonly #set: LabelledSet;
  readonly #values = new Float64Array(3 * STRIDE);

  constructor(set: LabelledSet, end: { readonly status: number; readonly flags: string; readonly grpcStatus: number }) {
    this.status = end.status;
    this.flags = end.flags;
    this.grpcStatus = end.grpcStatus;
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
    const labels = { response_code: formatStatus(this.status), response_flags: this.flags };
    if (this.grpcStatus === NO_CALL) return labels;
    return { ...labels, grpc_response_status: this.grpcStatus === NO_GRPC_STATUS ? "" : String(this.grpcStatus) };
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
