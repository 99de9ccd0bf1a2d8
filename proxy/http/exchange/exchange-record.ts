import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { CountedRequest, RequestMeter } from "../../telemetry/request-meter.ts";
import { type GrpcCall, grpcCallOf } from "../grpc/grpc-call.ts";
import type { HttpContext } from "../http-context.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import type { RequestPlan } from "./request-plan.ts";

/** What is measured of one exchange, for metrics, the access log and the limit of its silence. */
export class ExchangeRecord implements CountedRequest {
  readonly head: RequestHead;
  /** `undefined`: it is not a call of gRPC. */
  readonly call: GrpcCall | undefined;
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  readonly #startedAtMs: number;
  requestBytes: number;
  responseBytes = 0;
  status = 0;
  flags = "-";
  durationMs = 0;
  #hasMoved = true;
  #quietSinceMs = 0;

  constructor(client: ExchangeClient, head: RequestHead, context: HttpContext) {
    this.head = head;
    this.#client = client;
    this.#context = context;
    this.#startedAtMs = context.clock.monotonicMs();
    this.requestBytes = head.bytes;
    this.call = grpcCallOf(head, this.#startedAtMs);
  }

  noteRequestBody(piece: BodyPiece): void {
    this.#hasMoved = true;
    this.requestBytes += piece.bytes.length;
    this.call?.countRequest(piece);
  }

  noteResponseHead(head: ResponseHead): void {
    this.#hasMoved = true;
    this.call?.noteHead(head);
  }

  noteResponseBody(piece: BodyPiece): void {
    this.#hasMoved = true;
    this.call?.countResponse(piece);
  }

  /** Since when nothing was carried in either direction; as exact as `check` is called often. */
  quietSinceMs(nowMs: number): number {
    return this.#hasMoved ? nowMs : this.#quietSinceMs;
  }

  /** Reports the messages of a long call. @returns whether nothing was carried for the whole limit */
  check(nowMs: number, upstream: DialedUpstream | undefined): boolean {
    this.call?.reportAt(nowMs, () => this.#meterOf(upstream).calls);
    if (this.#hasMoved) {
      this.#hasMoved = false;
      this.#quietSinceMs = nowMs;
    }
    return nowMs - this.#quietSinceMs >= this.#context.limits.streamIdleMs;
  }

  /** @param status of the response that the client got, or 0. @param responseBytes head and body. */
  end(status: number, flags: string, responseBytes: number): void {
    this.status = status;
    this.flags = flags;
    this.responseBytes = responseBytes;
    this.durationMs = this.#context.clock.monotonicMs() - this.#startedAtMs;
  }

  /** Counts it, and logs it if the access log is on. @param details of a local reply. */
  report(plan: RequestPlan | undefined, upstream: DialedUpstream | undefined, details: string): void {
    const { call } = this;
    const grpcStatus = call?.statusOf(this.status);
    const meter = this.#meterOf(upstream);
    if (call === undefined) meter.count(this);
    else {
      const { status, flags, durationMs, requestBytes, responseBytes } = this;
      call.report(() => meter.calls);
      meter.calls.countCall({ status, flags, durationMs, requestBytes, responseBytes, grpcStatus });
    }
    const { facts } = this.#client;
    const { head } = this;
    this.#context.accessLog?.write({
      kind: "request",
      direction: facts.direction,
      startedAtMs: this.#context.clock.now() - this.durationMs,
      durationMs: this.durationMs,
      method: head.method,
      path: head.path,
      authority: head.authority,
      protocol: `HTTP/${head.version}`,
      status: this.status,
      grpcStatus,
      flags: this.flags,
      details,
      bytesReceived: this.requestBytes,
      bytesSent: this.responseBytes,
      requestId: head.fields.get("x-request-id") ?? "",
      userAgent: head.fields.get("user-agent") ?? "",
      downstream: facts.client,
      destination: facts.destination,
      upstream: upstream?.address ?? "",
      cluster: plan?.kind === "forward" ? plan.cluster : "",
      route: plan?.route ?? "",
      peer: facts.direction === "inbound" ? facts.peer : (upstream?.peer ?? ""),
    });
  }

  /** The endpoint's, if one was reached. */
  #meterOf(upstream: DialedUpstream | undefined): RequestMeter {
    return upstream?.meter ?? this.#client.facts.meter();
  }
}
