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
  /** Connections of one caller, by its certificate or its token, that do not count for its address. */
  readonly verifiedConnectionBurst: number;
  /** Sustained. */
  readonly verifiedConnectionsPerSecond: number;
  /** The same for all callers of one address together: certificates of many pods do not make it free to connect. */
  readonly provenConnectionBurst: number;
  /** Sustained. */
  readonly provenConnectionsPerSecond: number;
}

export interface NewConnectionsDeps {
  readonly limits: NewConnectionLimits;
  readonly clock: Clock;
  readonly metrics: ControlPlaneMetrics | undefined;
}

/**
 * Limits how fast one address opens connections: a handshake takes a millisecond or two of the processor. One that proves
 * a certificate of the mesh, or gets one by a token, does not count, within a rate of its caller. So many sidecars behind one
 * address, as of a node or of a cluster behind a NAT, start and connect again as fast as they are served, and only the
 * connections that have not proved anything yet count.
 */
export class NewConnections {
  readonly #rates: CallRates;
  readonly #verified: CallRates;
  readonly #proven: CallRates;
  readonly #metrics: ControlPlaneMetrics | undefined;

  constructor({ limits, clock, metrics }: NewConnectionsDeps) {
    const { newConnectionBurst, newConnectionsPerSecond, verifiedConnectionBurst, verifiedConnectionsPerSecond } =
      limits;
    const { provenConnectionBurst, provenConnectionsPerSecond } = limits;
    this.#rates = new CallRates({ callBurst: newConnectionBurst, callsPerSecond: newConnectionsPerSecond }, clock);
    const ofCaller = { callBurst: verifiedConnectionBurst, callsPerSecond: verifiedConnectionsPerSecond };
    this.#verified = new CallRates(ofCaller, clock);
    const ofAddress = { callBurst: provenConnectionBurst, callsPerSecond: provenConnectionsPerSecond };
    this.#proven = new CallRates(ofAddress, clock);
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

  /**
   * A connection from this address has proved its caller. To be called once for each connection.
   * @param caller as `formatCaller`
   */
  proven(address: string, caller: string): void {
    if (isLoopback(address) || !this.#verified.take(caller)) return;
    if (this.#proven.take(address)) this.#rates.giveBack(address);
  }
}
