import type { Socket } from "node:net";
import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import type { HostTarget } from "../../../mesh/policy/routing/host-target.ts";
import type { ServiceInfo, WorkloadInfo } from "../../../mesh/policy/types.ts";
import type { GrpcStatus } from "../../../mesh/resources/fields/grpc-status-names.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import { formatClient } from "../../../net/client-address.ts";
import { formatSocketAddress } from "../../../net/socket-address.ts";
import type { UpstreamConnection } from "../../connections/upstream-dialer.ts";
import { type GrpcCall, grpcCallOf } from "../../http/grpc/grpc-call.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { formatClusterName } from "../../telemetry/cluster-name.ts";
import {
  type AccessLog,
  type CountedRequest,
  formatFlags,
  type RequestFlags,
  type RequestMeter,
  type RequestMeters,
} from "../../telemetry/request-meter.ts";
import type { GatewayReply } from "../gateway-reply.ts";
import type { FramedClient } from "./framed-client.ts";
import type { PreparedRequest } from "./prepared-request.ts";

export interface RecordDeps {
  readonly clock: Clock;
  readonly meters: RequestMeters;
  /** `undefined`: requests are not logged. */
  readonly accessLog: AccessLog | undefined;
  /** The gateway's own; `undefined` until its configuration has arrived. */
  readonly workload: () => WorkloadInfo | undefined;
  /** How a request's path is logged. */
  readonly loggedPath: (path: string) => string;
}

/** The destination of a route. */
export interface RecordedRoute {
  readonly target: HostTarget;
  /** The route's name, for the log. */
  readonly name: string;
}

/**
 * The record of one request. At its end it is counted as by Istio's ingress gateway, with reporter source, and written
 * to the access log.
 */
export class RequestRecord {
  readonly #deps: RecordDeps;
  readonly #client: FramedClient;
  readonly #head: RequestHead;
  readonly #requestId: string;
  /** `undefined`: it is not a call of gRPC. */
  readonly call: GrpcCall | undefined;
  /** Read now: a disconnected client has no address. */
  readonly #addresses: { readonly downstream: string; readonly destination: string };
  readonly #startedAt: number;
  readonly #writtenBefore: number;
  #tunnelBytes = 0;
  #route: RecordedRoute | undefined;
  #upstream: UpstreamConnection | undefined;
  #flags: RequestFlags | undefined;
  #verdict: AuthorizationVerdict | undefined;
  #isDelayed = false;
  #isRetryLimitExceeded = false;
  #details = "";
  #status = 0;
  #isOver = false;

  /**
   * Start it after the responses to earlier requests have been written: what the socket writes then belongs to this
   * one.
   */
  constructor(client: FramedClient, { head, client: { requestId } }: PreparedRequest, deps: RecordDeps) {
    const { socket } = client;
    this.#deps = deps;
    this.#client = client;
    this.#head = head;
    this.#requestId = requestId;
    const { localAddress, localPort } = socket;
    const destination =
      localAddress === undefined ? "" : formatSocketAddress({ ip: localAddress, port: localPort ?? 0 });
    this.#addresses = { downstream: formatClient(socket), destination };
    this.#startedAt = deps.clock.monotonicMs();
    this.call = grpcCallOf(head, this.#startedAt);
    this.#writtenBefore = socket.bytesWritten;
  }

  /** The client's bytes after its request. */
  addTunnel(bytes: number): void {
    this.#tunnelBytes += bytes;
  }

  /** Policies have judged it; the last verdict is logged. */
  readonly judged = (verdict: AuthorizationVerdict): void => {
    this.#verdict = verdict;
  };

  /** The route's choice; labels come from here and never from what a client sent. */
  routedTo(route: RecordedRoute): void {
    this.#route = route;
  }

  /** It uses this upstream connection. */
  servedBy(upstream: UpstreamConnection | undefined): void {
    this.#upstream = upstream;
  }

  /** It does not end with a complete upstream response. The first cause counts. */
  endsWith(flags: RequestFlags): void {
    if (flags !== "-") this.#flags ??= flags;
  }

  /** Its route delays it. */
  delayed(): void {
    this.#isDelayed = true;
  }

  /** Its route would have retried it, but for the number of attempts. */
  retryLimitExceeded(): void {
    this.#isRetryLimitExceeded = true;
  }

  /** The gateway sends a local reply. @returns it as the client reads it: that of a gRPC call has another form */
  answeredBy(reply: GatewayReply): LocalReply {
    this.cutBy({ flags: reply.flags, details: reply.details || reply.reason });
    return this.call?.replyWith(reply) ?? reply;
  }

  /** The gateway ends it without a reply. */
  cutBy({ flags, details }: Pick<LocalReply, "flags" | "details">): void {
    this.endsWith(flags);
    this.#details = details;
  }

  /** The client gets a response with this status. */
  answered(status: number): void {
    this.#status = status;
  }

  /**
   * Counts it, once.
   * @param isWhole the client got the complete response; if not, and no other cause was recorded, it disconnected.
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
    const grpcStatus = this.call?.count(this.#meter, counted);
    if (this.call === undefined) this.#meter.count(counted);
    this.#log(counted, grpcStatus);
  }

  /** A long call reports its messages while it lasts. */
  readonly reportMessages = (): void => {
    this.call?.reportAt(this.#deps.clock.monotonicMs(), () => this.#meter.calls);
  };

  get #meter(): RequestMeter {
    const { meters, workload } = this.#deps;
    return this.#upstream?.meter ?? meterOf(this.#route?.target, meters, workload());
  }

  #log(counted: CountedRequest, grpcStatus: GrpcStatus | undefined): void {
    const { status, flags, durationMs, requestBytes, responseBytes } = counted;
    const head = this.#head;
    const { clock, accessLog, loggedPath } = this.#deps;
    accessLog?.write({
      kind: "request",
      direction: "outbound",
      startedAtMs: clock.now() - durationMs,
      durationMs,
      method: head.method,
      path: loggedPath(head.path),
      authority: head.authority,
      protocol: `HTTP/${head.version}`,
      status,
      grpcStatus,
      flags,
      details: this.#details,
      bytesReceived: requestBytes,
      bytesSent: responseBytes,
      requestId: this.#requestId,
      userAgent: head.fields.get("user-agent") ?? "",
      ...this.#addresses,
      upstream: this.#upstream?.address ?? "",
      cluster: this.#route === undefined ? "" : formatClusterName(this.#route.target),
      route: this.#route?.name ?? "",
      peer: this.#upstream?.peer ?? "",
      authorization: this.#verdict,
    });
  }
}

/** Counts a malformed request, as the sidecar does. */
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

/** `NAME.NAMESPACE.svc.DOMAIN`, the names of the mesh's services. */
const SERVICE_HOST = /^([^.]+)\.([^.]+)\.svc\./;

function serviceOf({ host }: HostTarget): ServiceInfo {
  const [, name = host, namespace = ""] = SERVICE_HOST.exec(host) ?? [];
  return { host, name, namespace };
}

/**
 * An upgrade's record ends with its connection: bytes in both directions until then belong to the request and the
 * response.
 */
export function recordUpgrade(record: RequestRecord, socket: Socket, rest: Buffer): void {
  const readBefore = socket.bytesRead - rest.length;
  socket.once("close", () => {
    record.addTunnel(socket.bytesRead - readBefore);
    record.over(true);
  });
}
