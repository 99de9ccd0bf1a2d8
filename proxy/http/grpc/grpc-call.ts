import { GrpcMessageCounter } from "../../../mesh/policy/grpc/grpc-message-counter.ts";
import { decideGrpcStatus, parseGrpcStatus } from "../../../mesh/policy/grpc/grpc-status.ts";
import { GRPC_STATUS, type GrpcStatus } from "../../../mesh/resources/fields/grpc-status-names.ts";
import { type BodyPiece, contentOf } from "../../messages/body-piece.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { HttpVersion } from "../../messages/http-version.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { CountedRequest, GrpcMeter, RequestMeter } from "../../telemetry/request-meter.ts";
import { limitOfCall, withGrpcTimeout } from "./grpc-deadline.ts";
import { grpcReplyFrom, grpcTrailers } from "./grpc-reply.ts";
import { isGrpcRequest } from "./is-grpc-request.ts";

/** How often a call reports its messages while it lasts: Istio's interval. */
const REPORT_INTERVAL_MS = 5000;

const GRPC_STATUS_FIELD = "grpc-status";

/** What an exchange knows more of a call of gRPC than of another request: its limit, its messages and its status. */
export class GrpcCall {
  readonly #timeoutField: string | undefined;
  readonly #startedAtMs: number;
  /** The client's. */
  readonly #version: HttpVersion;
  readonly #requests = new GrpcMessageCounter();
  readonly #responses = new GrpcMessageCounter();
  #deadlineMs: number | undefined;
  /** Not yet reported. */
  #newRequests = 0;
  #newResponses = 0;
  #reportedAtMs: number;
  #takesTrailers = false;
  #inHead: string | undefined;
  #inTrailers: string | undefined;

  /** @param startedAtMs of the request's head, on the monotonic clock. */
  constructor(head: RequestHead, startedAtMs: number) {
    this.#version = head.version;
    this.#timeoutField = head.fields.get("grpc-timeout");
    this.#startedAtMs = startedAtMs;
    this.#reportedAtMs = startedAtMs;
  }

  /** Sets the limit, from the head on. @returns how long the call may still last; `undefined`: no limit */
  limitMs(routeMs: number | undefined, nowMs: number): number | undefined {
    const limitMs = limitOfCall(this.#timeoutField, routeMs);
    if (limitMs === undefined) return undefined;
    this.#deadlineMs = this.#startedAtMs + limitMs;
    return Math.max(0, this.#deadlineMs - nowMs);
  }

  /** The `grpc-timeout` of one attempt; `undefined`: none. @param perTryMs its own limit, if there is one. */
  attemptMs(perTryMs: number | undefined, nowMs: number): number | undefined {
    const leftMs = this.#deadlineMs === undefined ? perTryMs : this.#deadlineMs - nowMs;
    return leftMs === undefined ? undefined : Math.max(1, Math.floor(Math.min(leftMs, perTryMs ?? leftMs)));
  }

  /** The edits of one attempt. @param perTryMs its own limit, if there is one. */
  editsOf(edits: RequestEdits, perTryMs: number | undefined, nowMs: number): RequestEdits {
    const leftMs = this.attemptMs(perTryMs, nowMs);
    return leftMs === undefined ? edits : { ...edits, headers: withGrpcTimeout(edits.headers, leftMs) };
  }

  countRequest(piece: BodyPiece): void {
    for (const view of contentOf(piece)) this.#newRequests += this.#requests.push(view);
  }

  countResponse(piece: BodyPiece): void {
    for (const view of contentOf(piece)) this.#newResponses += this.#responses.push(view);
  }

  /** The response that the client gets has begun. */
  noteHead({ content, fields }: ResponseHead): void {
    this.#takesTrailers = content.kind === "unknown" && takesTrailers(this.#version, content.endsBy);
    this.#inHead = fields.get(GRPC_STATUS_FIELD);
  }

  /** A response that another client of HTTP has read: what its head and its trailers say. */
  noteStatus(inHead: string | undefined, inTrailers: string | undefined): void {
    this.#inHead = inHead;
    this.#inTrailers = inTrailers;
  }

  /** Whether the response has begun and may end with trailers of the proxy's own. */
  get takesTrailers(): boolean {
    return this.#takesTrailers;
  }

  noteTrailers(trailers: Trailers | undefined): void {
    this.#inTrailers = trailers?.get(GRPC_STATUS_FIELD);
  }

  /** The proxy's own reply instead of a response. */
  replyWith(reply: LocalReply): LocalReply {
    const formed = grpcReplyFrom(reply);
    if (formed.grpcStatus !== undefined) this.#inTrailers = String(formed.grpcStatus);
    return formed;
  }

  /** The trailers with which the proxy ends a response that has begun. */
  end({ grpcStatus = GRPC_STATUS.UNKNOWN, details, body = details }: LocalReply): Trailers {
    this.#inTrailers = String(grpcStatus);
    return grpcTrailers(grpcStatus, body);
  }

  /** @param httpStatus 0: no response. */
  statusOf(httpStatus: number): GrpcStatus | undefined {
    return decideGrpcStatus({ inTrailers: this.#inTrailers, inHead: this.#inHead, httpStatus });
  }

  /** Reports the messages if that is due. */
  reportAt(nowMs: number, meter: () => GrpcMeter): void {
    if (nowMs - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = nowMs;
    this.report(meter);
  }

  /** Counts the call at its end, and the messages that were not reported yet. @returns its status */
  count(meter: RequestMeter, counted: CountedRequest): GrpcStatus | undefined {
    const { status, flags, durationMs, requestBytes, responseBytes } = counted;
    const grpcStatus = this.statusOf(status);
    this.report(() => meter.calls);
    meter.calls.countCall({ status, flags, durationMs, requestBytes, responseBytes, grpcStatus });
    return grpcStatus;
  }

  /** Reports messages that were not reported yet. */
  report(meter: () => GrpcMeter): void {
    if (this.#newRequests === 0 && this.#newResponses === 0) return;
    meter().addMessages(this.#newRequests, this.#newResponses);
    this.#newRequests = 0;
    this.#newResponses = 0;
  }
}

/**
 * Chunks of HTTP/1.1 go to a client of HTTP/1.1 as they came, so that the response may be in the middle of one: it cannot
 * be ended, and the next response would be read as its rest.
 */
function takesTrailers(version: HttpVersion, endsBy: "chunks" | "close" | "frames"): boolean {
  return version === "2" ? endsBy !== "close" : version === "1.1" && endsBy === "frames";
}

/** A request's call, if it is one. */
export function grpcCallOf(head: RequestHead, startedAtMs: number): GrpcCall | undefined {
  return isGrpcRequest(head) ? new GrpcCall(head, startedAtMs) : undefined;
}

/** The status of a response that consists of its head alone ("trailers-only"); `undefined`: it goes on, or has none. */
export function trailersOnlyStatus({ content, fields }: ResponseHead): GrpcStatus | undefined {
  return content.kind === "none" ? parseGrpcStatus(fields.get(GRPC_STATUS_FIELD)) : undefined;
}
