import type { Clock, Timer } from "../../mesh/runtime.ts";
import { CallRates } from "../../net/call-rates.ts";

export interface TrafficLimits {
  /** Bytes that one caller may send at once. A sidecar that connects again and repeats 4,000 subscriptions sends 0.5 MB. */
  readonly trafficBurstBytes: number;
  /** Sustained. */
  readonly trafficBytesPerSecond: number;
  /** How often they are counted. */
  readonly trafficSampleMs: number;
}

/** What one connection has sent. */
export interface Traffic {
  /** As `formatCaller`. */
  readonly caller: string;
  /** Since it was opened. */
  readonly bytesRead: number;
}

export interface CallerTrafficDeps<Connection> {
  readonly limits: TrafficLimits;
  readonly clock: Clock;
  /** The open connections. */
  readonly connections: () => Iterable<Connection>;
  readonly measure: (connection: Connection) => Traffic;
  /** Its caller has sent too much, some of it on this connection: it must be closed. */
  readonly onTooMuch: (connection: Connection) => void;
}

/**
 * Counts what callers send, over all their connections. Frames that belong to no call, such as a WINDOW_UPDATE for each
 * byte, take the processor's time, and neither HTTP/2's own limits nor those of calls count them.
 */
export class CallerTraffic<Connection extends object> {
  readonly #deps: CallerTrafficDeps<Connection>;
  readonly #rates: CallRates;
  readonly #counted = new WeakMap<Connection, number>();
  #timer: Timer | undefined;

  constructor(deps: CallerTrafficDeps<Connection>) {
    this.#deps = deps;
    const { trafficBurstBytes: callBurst, trafficBytesPerSecond: callsPerSecond } = deps.limits;
    this.#rates = new CallRates({ callBurst, callsPerSecond }, deps.clock);
  }

  /** Counts until `stop`. */
  watch(): void {
    this.#timer ??= this.#deps.clock.setTimeout(() => {
      this.#timer = undefined;
      this.watch();
      for (const connection of [...this.#deps.connections()]) this.#count(connection);
    }, this.#deps.limits.trafficSampleMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #count(connection: Connection): void {
    const { caller, bytesRead } = this.#deps.measure(connection);
    const sent = bytesRead - (this.#counted.get(connection) ?? 0);
    this.#counted.set(connection, bytesRead);
    if (sent > 0 && this.#rates.reserve(caller, sent) > 0) this.#deps.onTooMuch(connection);
  }
}
