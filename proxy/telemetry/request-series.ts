import { GRPC_STATUS } from "../../mesh/resources/fields/grpc-status-names.ts";
import { formatLabels } from "../../net/metrics/metric-family.ts";
import type { ConnectionLabels } from "./connection-labels.ts";
import { createLabelSets } from "./label-sets.ts";
import type { CountedCall, CountedRequest, GrpcMeter, RequestMeter } from "./request-meter.ts";
import { countedStatus, statusClass } from "./status-codes.ts";
import { NO_CALL, NO_GRPC_STATUS, type RequestTotals, StatusSeries } from "./status-series.ts";

/**
 * How many pairs of status and flags a label set may have before further ones count by their class. Each has 67 samples
 * of about 1 KB: an upstream that sends every status must not fill the page.
 */
export const MAX_STATUSES = 16;

/** The same for calls of gRPC, whose 17 statuses multiply. */
export const MAX_CALL_STATUSES = 32;

/** Messages of calls of gRPC, of one label set. */
export interface MessageTotals {
  readonly labelText: string;
  readonly requests: number;
  readonly responses: number;
}

export interface RequestSeries {
  meter(labels: ConnectionLabels): RequestMeter;
  messageTotals(): Iterable<MessageTotals>;
  /** The first of each label set, then the second of each, …: if room is short, every peer has some. */
  totals(): Iterable<RequestTotals>;
}

/**
 * Counts requests by label set, status and flags. At most `maxSets` label sets and the few of `overflowLabels`; in each
 * MAX_STATUSES pairs of status and flags, because a hostile upstream can respond with every status. Further ones count
 * by their class (`5xx`), so that failures still look like failures.
 */
export function createRequestSeries(maxSets: number): RequestSeries {
  const sets = createLabelSets(maxSets, (labels): RequestSet => new RequestSet(labels, (other) => sets.get(other)));
  return {
    meter: (labels) => sets.get(labels),
    *messageTotals() {
      for (const set of sets.values()) if (set.messages !== undefined) yield set.messages;
    },
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
class RequestSet implements RequestMeter, GrpcMeter {
  readonly #labels: ConnectionLabels;
  /** By flags, then by status. */
  readonly #byFlags = new Map<string, Map<number, StatusSeries>>();
  readonly #inOrder: StatusSeries[] = [];
  #labelText: string | undefined;
  #last: StatusSeries | undefined;
  #messages: { labelText: string; requests: number; responses: number } | undefined;
  readonly #find: (labels: ConnectionLabels) => GrpcMeter;
  #calls: GrpcMeter | undefined;

  /** @param find the set of other labels */
  constructor(labels: ConnectionLabels, find: (labels: ConnectionLabels) => GrpcMeter) {
    this.#labels = labels;
    this.#find = find;
  }

  get calls(): GrpcMeter {
    this.#calls ??= this.#find({ ...this.#labels, request_protocol: "grpc" });
    return this.#calls;
  }

  get labels(): ConnectionLabels {
    return this.#labels;
  }

  /** Formatted once: it is most of a page. */
  get labelText(): string {
    this.#labelText ??= formatLabels(this.#labels);
    return this.#labelText;
  }

  /** `undefined` before the first call of gRPC. */
  get messages(): MessageTotals | undefined {
    return this.#messages;
  }

  count(request: CountedRequest): void {
    this.#add(request, NO_CALL);
  }

  countCall(call: CountedCall): void {
    this.#add(call, call.grpcStatus ?? NO_GRPC_STATUS);
  }

  addMessages(requests: number, responses: number): void {
    this.#messages ??= { labelText: this.labelText, requests: 0, responses: 0 };
    this.#messages.requests += requests;
    this.#messages.responses += responses;
  }

  /** Series in the order of their first count. */
  at(rank: number): StatusSeries | undefined {
    return this.#inOrder[rank];
  }

  #add(request: CountedRequest, grpcStatus: number): void {
    const status = countedStatus(request.status);
    const { flags } = request;
    let series = this.#last;
    if (
      series === undefined ||
      series.status !== status ||
      series.flags !== flags ||
      series.grpcStatus !== grpcStatus
    ) {
      series = this.#seriesOf(status, flags, grpcStatus);
      this.#last = series;
    }
    series.add(request);
  }

  #seriesOf(status: number, flags: string, grpcStatus: number): StatusSeries {
    const statuses = this.#byFlags.get(flags) ?? new Map<number, StatusSeries>();
    const known = statuses.get(keyOf(status, grpcStatus));
    if (known !== undefined) return known;
    const isFull = this.#inOrder.length >= (grpcStatus === NO_CALL ? MAX_STATUSES : MAX_CALL_STATUSES);
    const counted = isFull ? statusClass(status) : status;
    const countedCall = isFull && grpcStatus > 0 && grpcStatus < NO_GRPC_STATUS ? GRPC_STATUS.UNKNOWN : grpcStatus;
    const key = keyOf(counted, countedCall);
    const found = statuses.get(key);
    if (found !== undefined) return found;
    const series = new StatusSeries(this, { status: counted, flags, grpcStatus: countedCall });
    this.#byFlags.set(flags, statuses.set(key, series));
    this.#inOrder.push(series);
    return series;
  }
}

function keyOf(status: number, grpcStatus: number): number {
  return status * 32 + grpcStatus + 1;
}
