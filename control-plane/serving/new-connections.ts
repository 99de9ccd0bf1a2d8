import type { Socket } from "node:net";
import type { Clock } from "../../mesh/runtime.ts";
import { CallRates } from "../../net/call-rates.ts";
import { isLoopback, plainAddress } from "../../net/client-address.ts";
import type { ControlPlaneMetrics } from "./control-plane-metrics.ts";

export interface NewConnectionLimits {
  /** Connections that one address may open at once. The pods of a node may share one, and all of them start with it. */
  readonly newConnectionBurst: number;
  /** Sustained. */
  readonly newConnectionsPerSecond: number;
}

export interface NewConnectionsDeps {
  readonly limits: NewConnectionLimits;
  readonly clock: Clock;
  readonly metrics: ControlPlaneMetrics | undefined;
}

/** Limits how fast one address opens connections: a handshake takes a millisecond or two of the processor. */
export class NewConnections {
  readonly #rates: CallRates;
  readonly #metrics: ControlPlaneMetrics | undefined;

  constructor({ limits, clock, metrics }: NewConnectionsDeps) {
    const { newConnectionBurst: callBurst, newConnectionsPerSecond: callsPerSecond } = limits;
    this.#rates = new CallRates({ callBurst, callsPerSecond }, clock);
    this.#metrics = metrics;
  }

  /** Whether a new connection may go on; if not, it is closed. Those of this pod are not limited. */
  admit(socket: Socket): boolean {
    const address = plainAddress(socket);
    if (isLoopback(address) || this.#rates.take(address)) return true;
    this.#metrics?.connectionRefused("too_many_new");
    socket.destroy();
    return false;
  }
}
