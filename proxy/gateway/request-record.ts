import type { Socket } from "node:net";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatClient } from "../../net/client-address.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { UpstreamConnection } from "../connections/upstream-dialer.ts";
import { type RequestHead, readField } from "../http1/message-head.ts";
import { formatClusterName } from "../telemetry/cluster-name.ts";
import {
  type AccessLog,
  formatFlags,
  type RequestFlags,
  type RequestMeter,
  type RequestMeters,
} from "../telemetry/request-meter.ts";
import type { FramedClient } from "./framed-client.ts";
import type { GatewayAnswer } from "./gateway-answer.ts";

export interface RecordDeps {
  readonly clock: Clock;
  readonly meters: RequestMeters;
  /** `undefined`: requests are not logged. */
  readonly accessLog: AccessLog | undefined;
  /** The gateway's own; `undefined` until its configuration has come. */
  readonly workload: () => WorkloadInfo | undefined;
}

/** Where a route sends a request. */
export interface RecordedRoute {
  readonly target: HostTarget;
  /** Of the route, for the log. */
  readonly name: string;
  readonly requestId: string;
}

/**
 * What becomes of one request, until it is over: then it is counted as Istio's ingress gateway counts, as its source,
 * and written to the access log.
 */
export class RequestRecord {
  readonly #deps: RecordDeps;
  readonly #client: FramedClient;
  readonly #head: RequestHead;
  /** Asked now: a client that is gone has no address. */
  readonly #addresses: { readonly downstream: string; readonly destination: string };
  readonly #startedAt: number;
  readonly #writtenBefore: number;
  #tunnelBytes = 0;
  #route: RecordedRoute | undefined;
  #upstream: UpstreamConnection | undefined;
  #flags: RequestFlags | undefined;
  #isDelayed = false;
  #isRetryLimitExceeded = false;
  #details = "";
  #status = 0;
  #isOver = false;

  /** Begin it when the answers to the requests before have been written: what the socket writes is then this one's. */
  constructor(client: FramedClient, head: RequestHead, deps: RecordDeps) {
    const { socket } = client;
    this.#deps = deps;
    this.#client = client;
    this.#head = head;
    const { localAddress, localPort } = socket;
    const destination =
      localAddress === undefined ? "" : formatSocketAddress({ ip: localAddress, port: localPort ?? 0 });
    this.#addresses = { downstream: formatClient(socket), destination };
    this.#startedAt = deps.clock.monotonicMs();
    this.#writtenBefore = socket.bytesWritten;
  }

  /** Bytes of the client that came behind its request. */
  addTunnel(bytes: number): void {
    this.#tunnelBytes += bytes;
  }

  /** Its route has chosen this; labels come from here and never from what a client sent. */
  routedTo(route: RecordedRoute): void {
    this.#route = route;
  }

  /** It goes over a connection whose other end is known. */
  servedBy(upstream: UpstreamConnection | undefined): void {
    this.#upstream = upstream;
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
    this.#isRetryLimitExceeded = true;
  }

  /** The gateway itself answers. */
  answeredBy({ flags, body, reason }: Pick<GatewayAnswer, "flags" | "body" | "reason">): void {
    this.endsWith(flags);
    this.#details = body.trimEnd() || reason;
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
    const marks = { isDelayed: this.#isDelayed, isRetryLimitExceeded: this.#isRetryLimitExceeded };
    const counted = {
      status: this.#status,
      flags: formatFlags(this.#flags ?? (isWhole ? "-" : "DC"), marks),
      durationMs: this.#deps.clock.monotonicMs() - this.#startedAt,
      requestBytes: this.#client.requests.bytes + this.#tunnelBytes,
      responseBytes: this.#client.socket.bytesWritten - this.#writtenBefore,
    };
    const { meters, workload } = this.#deps;
    (this.#upstream?.meter ?? meterOf(this.#route?.target, meters, workload())).count(counted);
    this.#log(counted);
  }

  #log({ status, flags, durationMs, requestBytes, responseBytes }: Parameters<RequestMeter["count"]>[0]): void {
    const head = this.#head;
    const { clock, accessLog } = this.#deps;
    accessLog?.write({
      kind: "request",
      direction: "outbound",
      startedAtMs: clock.now() - durationMs,
      durationMs,
      method: head.method,
      path: head.target,
      authority: head.host,
      protocol: `HTTP/${head.version}`,
      status,
      flags,
      details: this.#details,
      bytesReceived: requestBytes,
      bytesSent: responseBytes,
      requestId: this.#route?.requestId ?? "",
      userAgent: readField(head, "user-agent") ?? "",
      ...this.#addresses,
      upstream: this.#upstream?.address ?? "",
      cluster: this.#route === undefined ? "" : formatClusterName(this.#route.target),
      route: this.#route?.name ?? "",
      peer: this.#upstream?.peer ?? "",
    });
  }
}

/** Counts something that is no request, as the sidecar does. */
export function countFault(status: number, { meters, workload }: RecordDeps): void {
  const counted = { status, flags: "DPE", durationMs: 0, requestBytes: 0, responseBytes: 0 } as const;
  meterOf(undefined, meters, workload()).count(counted);
}

function meterOf(
  target: HostTarget | undefined,
  meters: RequestMeters,
  source: WorkloadInfo | undefined,
): RequestMeter {
  const service = target === undefined ? undefined : serviceOf(target);
  return meters.requestMeter({ reporter: "source", source, service, security: "unknown" });
}

/** `NAME.NAMESPACE.svc.DOMAIN`, as the mesh's services are called. */
const SERVICE_HOST = /^([^.]+)\.([^.]+)\.svc\./;

function serviceOf({ host }: HostTarget): ServiceInfo {
  const [, name = host, namespace = ""] = SERVICE_HOST.exec(host) ?? [];
  return { host, name, namespace };
}

/** An upgrade's record is over when its connection is: what goes both ways until then is the request's and the answer's. */
export function recordUpgrade(record: RequestRecord, socket: Socket, rest: Buffer): void {
  const readBefore = socket.bytesRead - rest.length;
  socket.once("close", () => {
    record.addTunnel(socket.bytesRead - readBefore);
    record.over(true);
  });
}
