import type { Socket } from "node:net";
import { MeshError } from "../../../mesh/mesh-error.ts";
import { type RequestHead, readField } from "../../http1/message-head.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { TunnelBytes } from "../downstream/start-tunnel.ts";
import type { HttpContext } from "../http-context.ts";
import type { LocalReply } from "../local-reply.ts";
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

/** An exchange's side towards the client. */
export interface ExchangeClient {
  readonly facts: DownstreamFacts;
  readonly socket: Socket;
  /** Whether this request is the connection's last, because the client or the proxy closes it. */
  mustClose(): boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** The response is complete. @param closes the connection closes after it. */
  exchangeOver(closes: boolean): void;
  /** The response cannot be completed: the client must see an abort, not a regular end. */
  abort(): void;
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
    path: head.target,
    authority: head.host,
    protocol: `HTTP/${head.version}`,
    status: record.status,
    flags: record.flags,
    details: record.details,
    bytesReceived: record.requestBytes,
    bytesSent: record.responseBytes,
    requestId: readField(head, "x-request-id") ?? "",
    userAgent: readField(head, "user-agent") ?? "",
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
