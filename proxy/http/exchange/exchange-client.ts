import type { Socket } from "node:net";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { TunnelBytes } from "../downstream/start-tunnel.ts";
import type { HttpContext } from "../http-context.ts";

/** The source of a connection's requests, for the log. */
export interface DownstreamFacts {
  readonly direction: "inbound" | "outbound";
  /** `ip:port`. */
  readonly client: string;
  /** The original destination, `ip:port`. */
  readonly destination: string;
  /** The client's verified SPIFFE id; empty for plaintext. */
  readonly peer: string;
  /** How a path is logged, if not as it came. */
  readonly loggedPath?: (path: string) => string;
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

/** Logs an exception of the proxy's own code. The client gets no details of it. */
export function replyToFault(caught: unknown, { log, limitLog }: HttpContext): LocalReply {
  const { isGranted, heldBack } = limitLog("proxy_fault");
  const { message, stack } = MeshError.from(caught);
  if (isGranted) log.error({ code: "proxy_fault", reason: message, stack, heldBack }, "the proxy failed on a request");
  return { status: 500, flags: "DO", details: "proxy_fault: see the proxy's log" };
}
