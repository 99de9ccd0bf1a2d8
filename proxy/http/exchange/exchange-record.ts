import type { Timer } from "../../../mesh/runtime.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import {
  type CountedRequest,
  formatFlags,
  type RequestFlags,
  type RequestMeter,
} from "../../telemetry/request-meter.ts";
import { type GrpcCall, grpcCallOf } from "../grpc/grpc-call.ts";
import type { HttpContext } from "../http-context.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import { quietReply, timeoutReply } from "./exchange-replies.ts";
import type { RequestPlan } from "./request-plan.ts";

/** What a record reads of the attempts. */
interface Attempted {
  /** Of the last attempt. */
  readonly upstream: DialedUpstream | undefined;
  readonly isRetryLimitExceeded: boolean;
}

const TIME_OVER: AbortReason = { kind: "time_limit", limit: "route" };

/** What is measured of one exchange, for metrics, the access log and its time limits. */
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
  /** Whether the request has been read completely. */
  requestEnded: boolean;
  #hasResponse = false;
  #hasMoved = true;
  #quietSinceMs = 0;
  #timeLimit: Timer | undefined;

  constructor(client: ExchangeClient, head: RequestHead, context: HttpContext) {
    this.head = head;
    this.#client = client;
    this.#context = context;
    this.#startedAtMs = context.clock.monotonicMs();
    this.requestBytes = head.bytes;
    this.call = grpcCallOf(head, this.#startedAtMs);
    this.requestEnded = head.content.kind === "none";
  }

  noteRequestBody(piece: BodyPiece): void {
    this.#hasMoved = true;
    this.requestBytes += piece.bytes.length;
    this.call?.countRequest(piece);
  }

  noteResponseHead(head: ResponseHead): void {
    this.#hasResponse = true;
    this.#hasMoved = true;
    this.call?.noteHead(head);
  }

  noteResponseBody(piece: BodyPiece): void {
    this.#hasMoved = true;
    this.call?.countResponse(piece);
  }

  /**
   * Whether only the client's bytes can make it go on. The server of a call of gRPC may be the one that speaks, and need
   * not have sent its head for that.
   */
  get isFedByClient(): boolean {
    return !this.requestEnded && this.call === undefined && !this.#hasResponse;
  }

  /** Since when nothing was carried in either direction; as exact as `check` is called often. */
  quietSinceMs(nowMs: number): number {
    return this.#hasMoved ? nowMs : this.#quietSinceMs;
  }

  /** Limits the whole exchange: the limit of its route or, for a call, of its client, if that is shorter. */
  startLimit(plan: RequestPlan, owner: { endEarly(reply: LocalReply, reason: AbortReason): void }): void {
    const { call } = this;
    const { clock } = this.#context;
    const routeMs = plan.kind === "forward" ? plan.timeoutMs : undefined;
    const limitMs = call === undefined ? routeMs : call.limitMs(routeMs, clock.monotonicMs());
    if (limitMs === undefined) return;
    const what = call === undefined ? "the route's timeout" : "the deadline of the call";
    this.#timeLimit = clock.setTimeout(() => owner.endEarly(timeoutReply(`${what} is exceeded`), TIME_OVER), limitMs);
  }

  stopLimit(): void {
    this.#timeLimit?.cancel();
  }

  /** The local reply to a request in which nothing moves. */
  quietReply(): LocalReply {
    return quietReply(this.requestEnded);
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

  /** @param status of the response that the client got, or 0. @param tunnelBytes sent to the client after an upgrade. */
  end(status: number, tunnelBytes: number): void {
    this.stopLimit();
    this.status = status;
    this.responseBytes = this.#client.response.bytes + tunnelBytes;
    this.durationMs = this.#context.clock.monotonicMs() - this.#startedAtMs;
  }

  /** Counts it, and logs it if the access log is on. @param details of a local reply. */
  report(plan: RequestPlan | undefined, attempted: Attempted, flags: RequestFlags, details: string): void {
    const { isRetryLimitExceeded, upstream } = attempted;
    this.flags = formatFlags(flags, { isDelayed: plan?.delayMs !== undefined, isRetryLimitExceeded });
    const { call } = this;
    const meter = this.#meterOf(upstream);
    const grpcStatus = call?.count(meter, this);
    if (call === undefined) meter.count(this);
    const { facts } = this.#client;
    const { head } = this;
    this.#context.accessLog?.write({
      kind: "request",
      direction: facts.direction,
      startedAtMs: this.#context.clock.now() - this.durationMs,
      durationMs: this.durationMs,
      method: head.method,
      path: facts.loggedPath?.(head.path) ?? head.path,
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
      authorization: plan?.authorization,
    });
  }

  /** The endpoint's, if one was reached. */
  #meterOf(upstream: DialedUpstream | undefined): RequestMeter {
    return upstream?.meter ?? this.#client.facts.meter();
  }
}
