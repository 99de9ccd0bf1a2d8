import type { EventEmitter } from "node:events";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger, LogLimiter } from "../../mesh/runtime.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { GatewayReply } from "./gateway-reply.ts";

/** Logs and counts an exception of the gateway's own code or of Node's. `about` names what it was doing. */
export type ReportFault = (caught: unknown, about: string) => void;

export interface FaultDeps {
  readonly metrics: Pick<ProxyMetrics, "gatewayResponded">;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

const CODE = "gateway_fault";

/** Only a few faults a second are logged: a client may be able to cause them. All are counted. */
export function createFaultReport({ metrics, log, limitLog }: FaultDeps): ReportFault {
  return (caught, about) => {
    metrics.gatewayResponded("gateway", 0, CODE);
    const { isGranted, heldBack } = limitLog(CODE);
    if (!isGranted) return;
    const { message, stack } = MeshError.from(caught);
    log.error({ code: CODE, reason: message, stack, heldBack }, `the gateway failed on ${about}, which was cut`);
  };
}

/** Runs `action`. An exception goes to `onFault`. */
export function runGuarded(action: () => void, onFault: (caught: unknown) => void): void {
  try {
    action();
  } catch (caught) {
    onFault(caught);
  }
}

/**
 * Passes the exceptions of all listeners of `emitter` to `onFault`. Without it an exception in any of them ends the
 * process: `node:http` throws for fields that it rejects (`setHeader`, `writeHead`, `addTrailers`), and http-proxy and
 * Node's own `pipe` call it from events. It replaces `emit`, because those listeners cannot be wrapped one by one.
 */
export function guardEvents(emitter: EventEmitter, onFault: (caught: unknown) => void): void {
  const emit: unknown = emitter.emit;
  if (typeof emit !== "function") return;
  Reflect.set(emitter, "emit", (...event: unknown[]): unknown => {
    try {
      return Reflect.apply(emit, emitter, event);
    } catch (caught) {
      onFault(caught);
      return true;
    }
  });
}

/** Something to be cut together with its client. */
export interface Destroyable extends EventEmitter {
  destroy(): unknown;
}

/** Ends the record of a request that was cut. */
export type EndRecord = (reply: Pick<GatewayReply, "flags" | "details">) => void;

/**
 * Guards the work for one client's connection. At the first exception it cuts the client with everything that serves
 * its current request, and ends that request's record; other clients are not affected.
 */
export class ClientGuard {
  readonly #client: Destroyable;
  readonly #report: ReportFault;
  #endRecord: EndRecord = ignore;
  #streams: Destroyable[] = [];
  #hasFailed = false;

  constructor(client: Destroyable, report: ReportFault) {
    this.#client = client;
    this.#report = report;
    guardEvents(client, this.fault);
  }

  /** A new request: what served the one before is no longer cut with the client. */
  begin(endRecord: EndRecord): void {
    this.#endRecord = endRecord;
    this.#streams = [];
  }

  /** Guards the listeners of a stream that serves the current request, and cuts it with the client. */
  watch(stream: Destroyable): void {
    this.#streams.push(stream);
    guardEvents(stream, this.fault);
  }

  readonly run = (action: () => void): void => runGuarded(action, this.fault);

  readonly fault = (caught: unknown): void => {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    for (const stream of [...this.#streams, this.#client]) runGuarded(() => void stream.destroy(), ignore);
    // The fault may be one of the records or the log, which must not end the process either.
    runGuarded(() => this.#endRecord({ flags: "DO", details: CODE }), ignore);
    runGuarded(() => this.#report(caught, "a client's connection"), ignore);
  };
}

function ignore(): void {}
