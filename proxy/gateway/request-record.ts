import type { Socket } from "node:net";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatFlags, type RequestFlags, type RequestMeter, type RequestMeters } from "../telemetry/request-meter.ts";
import type { RequestHead } from "./judge-request.ts";

export interface RecordDeps {
  readonly clock: Clock;
  readonly meters: RequestMeters;
  /** The gateway's own; `undefined` until its configuration has come. */
  readonly workload: () => WorkloadInfo | undefined;
}

/** What a request's head says of its length. */
type MeasuredHead = Pick<RequestHead, "method" | "target" | "rawHeaders">;

/** What becomes of one request, until it is over and counted as Istio's ingress gateway counts: as its source. */
export class RequestRecord {
  readonly #deps: RecordDeps;
  readonly #socket: Socket;
  readonly #startedAt: number;
  readonly #writtenBefore: number;
  #requestBytes: number;
  #target: HostTarget | undefined;
  #meter: RequestMeter | undefined;
  #flags: RequestFlags | undefined;
  #isDelayed = false;
  #isOutOfTries = false;
  #status = 0;
  #isOver = false;

  /** Begin it when the answers to the requests before have been written: what the socket writes is then this one's. */
  constructor(socket: Socket, head: MeasuredHead, deps: RecordDeps) {
    this.#deps = deps;
    this.#socket = socket;
    this.#startedAt = deps.clock.monotonicMs();
    this.#writtenBefore = socket.bytesWritten;
    this.#requestBytes = measureHead(head);
  }

  addBody(bytes: number): void {
    this.#requestBytes += bytes;
  }

  /** Its route has chosen this; labels come from here and never from what a client sent. */
  routedTo(target: HostTarget): void {
    this.#target = target;
  }

  /** It goes over a connection whose other end is known. */
  servedBy(meter: RequestMeter | undefined): void {
    this.#meter = meter;
  }

  /** It does not end with an upstream's whole answer. The first cause counts. */
  endsWith(flags: RequestFlags): void {
    this.#flags ??= flags;
  }

  /** Its route holds it up. */
  delayed(): void {
    this.#isDelayed = true;
  }

  /** Its route would have had it sent again, but for the number of tries. */
  outOfTries(): void {
    this.#isOutOfTries = true;
  }

  /** The client gets an answer with this status. */
  answered(status: number): void {
    this.#status = status;
  }

  /**
   * Counts it, once.
   * @param isWhole the client got all of the answer; if not, and nobody said why, it went away.
   */
  over(isWhole: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const marks = { isDelayed: this.#isDelayed, isOutOfTries: this.#isOutOfTries };
    (this.#meter ?? this.#meterOfTarget()).count({
      status: this.#status,
      flags: formatFlags(this.#flags ?? (isWhole ? "-" : "DC"), marks),
      durationMs: this.#deps.clock.monotonicMs() - this.#startedAt,
      requestBytes: this.#requestBytes,
      responseBytes: this.#socket.bytesWritten - this.#writtenBefore,
    });
  }

  #meterOfTarget(): RequestMeter {
    const { meters, workload } = this.#deps;
    const service = this.#target === undefined ? undefined : serviceOf(this.#target);
    return meters.requestMeter({ reporter: "source", source: workload(), service, security: "unknown" });
  }
}

/** `NAME.NAMESPACE.svc.DOMAIN`, as the mesh's services are called. */
const SERVICE_HOST = /^([^.]+)\.([^.]+)\.svc\./;

function serviceOf({ host }: HostTarget): ServiceInfo {
  const [, name = host, namespace = ""] = SERVICE_HOST.exec(host) ?? [];
  return { host, name, namespace };
}

/** An upgrade's record, over when its connection is: what goes both ways until then is the request's and the answer's. */
export function recordUpgrade(
  upgrade: MeasuredHead & { readonly socket: Socket; readonly head: Buffer },
  deps: RecordDeps,
): RequestRecord {
  const { socket, head } = upgrade;
  const record = new RequestRecord(socket, upgrade, deps);
  const readBefore = socket.bytesRead - head.length;
  socket.once("close", () => {
    record.addBody(socket.bytesRead - readBefore);
    record.over(true);
  });
  return record;
}

/** How long the head was on the wire, but for spaces around values. */
function measureHead({ method, target, rawHeaders }: MeasuredHead): number {
  const line = method.length + target.length + "  HTTP/1.1\r\n".length;
  // Of each name and value in turn: `: ` behind the name, CRLF behind the value.
  return rawHeaders.reduce((sum, text) => sum + text.length + 2, line) + "\r\n".length;
}
