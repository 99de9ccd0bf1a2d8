import type { Socket } from "node:net";
import { type RequestHead, readField } from "../../http1/message-head.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { TunnelBytes } from "../downstream/start-tunnel.ts";
import type { HttpContext } from "../http-context.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { RequestPlan } from "./request-plan.ts";

/** Who the requests of a connection come from, for the log. */
export interface DownstreamFacts {
  readonly direction: "inbound" | "outbound";
  /** `ip:port`. */
  readonly client: string;
  /** The original destination, `ip:port`. */
  readonly destination: string;
  /** The verified SPIFFE id of the client; empty where it is plaintext. */
  readonly peer: string;
  /** Counts requests that no endpoint's own meter counts. */
  readonly meter: () => RequestMeter;
}

/** An exchange's side towards the client. */
export interface ExchangeClient {
  readonly facts: DownstreamFacts;
  readonly socket: Socket;
  /** Whether this request is the connection's last, for a reason that is the client's or the proxy's. */
  mustClose(): boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** The answer is whole. @param closes the connection ends with it. */
  exchangeOver(closes: boolean): void;
  /** The answer cannot be completed: the client must see an abort, not an end. */
  abort(): void;
  /** After a 101: bytes go both ways from now on. `onEnd` is called when that is over. */
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

/** Counts an exchange that is over, and logs it if requests are logged. */
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
