import type { Socket } from "node:net";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { TunnelBytes } from "../downstream/start-tunnel.ts";
import type { HttpContext } from "../http-context.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { RequestPlan } from "./request-plan.ts";

/** The source of a connection's requests, for the log. */
export interface DownstreamFacts {
  readonly direction: "inbound" | "outbound";
  /** `ip:port`. */
  readonly client: string;
  /** The original destination, `ip:port`. */
  readonly destination: string;
  /** The client's verified SPIFFE id; empty for plaintext. */
  readonly peer: string;
  /** Counts requests that are not counted by an endpoint's own meter. */
  readonly meter: () => RequestMeter;
}

/** The response to the client. Calls that send return whether the client can accept more before `onClientDrain`. */
export interface ClientResponse {
  /** Head and body so far, as sent. */
  readonly bytes: number;
  /**
   * What is sent until `endPacket` leaves together.
   * @param packet the bytes in which it came, if they belong to this response alone: unchanged, they go on as they are.
   */
  startPacket(packet: Buffer | undefined): void;
  endPacket(): boolean;
  /** A response that is not the final one: 100, 103 and others. */
  sendInterim(head: ResponseHead): boolean;
  /** The final head, or a 101. @param headers the route's operations. */
  sendHead(head: ResponseHead, headers: FoldedHeaders | undefined): boolean;
  sendBody(piece: BodyPiece): boolean;
  /** The response is complete. */
  sendEnd(trailers: Trailers | undefined): void;
  /** A complete response of the proxy's own, instead of all other calls. */
  sendReply(reply: LocalReply): void;
}

/** An exchange's side towards the client. */
export interface ExchangeClient {
  readonly facts: DownstreamFacts;
  readonly response: ClientResponse;
  /** Backpressure: reads no more of the request. */
  pauseReading(): void;
  resumeReading(): void;
  /** The response is complete; the rest of the request, if there is one, is not needed. */
  exchangeOver(): void;
  /** The response cannot be completed: the client must see an abort, not a regular end. */
  abort(reason: AbortReason): void;
  /** After a 101: relays bytes in both directions. `onEnd` is called when the tunnel ends. */
  tunnelTo(upstream: Socket, onEnd: (bytes: TunnelBytes) => void): void;
}

export interface ExchangeRecord {
  readonly head: RequestHead;
  readonly plan: RequestPlan | undefined;
  readonly upstream: DialedUpstream | undefined;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** Counts a finished exchange, and logs it if the access log is on. */
export function recordExchange(client: ExchangeClient, context: HttpContext, record: ExchangeRecord): void {
  const { facts } = client;
  const { head, plan, upstream } = record;
  (upstream?.meter ?? facts.meter()).count(record);
  context.accessLog?.write({
    kind: "request",
    direction: facts.direction,
    startedAtMs: context.clock.now() - record.durationMs,
    durationMs: record.durationMs,
    method: head.method,
    path: head.path,
    authority: head.authority,
    protocol: `HTTP/${head.version}`,
    status: record.status,
    flags: record.flags,
    details: record.details,
    bytesReceived: record.requestBytes,
    bytesSent: record.responseBytes,
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

/** Logs an exception of the proxy's own code. The client gets no details of it. */
export function replyToFault(caught: unknown, { log, limitLog }: HttpContext): LocalReply {
  const { isGranted, heldBack } = limitLog("proxy_fault");
  const { message, stack } = MeshError.from(caught);
  if (isGranted) log.error({ code: "proxy_fault", reason: message, stack, heldBack }, "the proxy failed on a request");
  return { status: 500, flags: "DO", details: "proxy_fault: see the proxy's log" };
}
