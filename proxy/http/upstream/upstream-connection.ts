import type { Socket } from "node:net";
import type { ConnectionPool } from "../../../mesh/policy/types.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

/** A dialled and verified connection, ready for requests. */
export interface DialedUpstream {
  readonly kind: "connected";
  readonly socket: Socket;
  /** As negotiated; HTTP/1.1 where nothing is. */
  readonly protocol: HttpProtocol;
  /** `ip:port`, for the access log. */
  readonly address: string;
  /** The verified server; empty if the hop is plaintext. */
  readonly peer: string;
  /** The idle timeout. */
  readonly idleMs: number;
  /** Whether it would be dialled the same way now: own certificate, trust and destination have not changed. */
  readonly isCurrent: () => boolean;
  /** Why the proxy has cut it; `undefined`: it has not. @default it never does */
  readonly cutReason?: () => string | undefined;
  /** Counts requests to this endpoint; `undefined`: the client's connection counts them. */
  readonly meter: RequestMeter | undefined;
}

/** Where a connection stands in its pool; written by the pool alone. */
export interface PoolPlace {
  /** Whether it is listed as one that takes requests. */
  isListed: boolean;
  /** Since when it is idle and kept, by the pool's clock; `undefined`: it is not. */
  idleSinceMs: number | undefined;
  /** Whether it has been noted that its server ends it. */
  hasEnded: boolean;
  /**
   * It was dialled soon after the server had ended another one. If it is ended before this time, too, then the endpoint is
   * leaving, and does not just have a new certificate.
   */
  successorUntilMs: number;
}

/** A connection as its pool sees it, whatever its version. */
export interface UpstreamConnection {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace;
  /**
   * Fulfilled when its server has announced how many streams it takes, or the connection has closed; before, it takes one.
   * `undefined`: there is nothing to wait for.
   */
  readonly ready?: Promise<void>;
  /** How many more streams it takes now. HTTP/1.1: one, if it is idle. */
  readonly capacity: number;
  /** Streams that are open or reserved. */
  readonly load: number;
  /** Whether its peer reads too slowly for what is being sent. */
  readonly isCongested: boolean;
  /** Open, with no stream. */
  readonly isIdle: boolean;
  /** Whether it can be used for another request: open, not ending, and still as it would be dialled. */
  readonly isReusable: boolean;
  /** Whether the server's sidecar has announced its end: the pod leaves, or has another certificate or policy. */
  readonly isEnding: boolean;
  /** The idle timeout: the dialler's, or the server's own if that is shorter. */
  readonly idleMs: number;
  /** Takes a place of its capacity at once; the request begins with `sendHead`. */
  openStream(): UpstreamStream;
  /** Takes no more requests: closes, without a reset, when its last stream has ended; at once if it is idle. */
  retire(): void;
  /** About twice a second, with the clock of `UpstreamOptions`. */
  checkDeadline(nowMs: number): void;
}

/** What a connection needs of its pool. */
export interface UpstreamOptions {
  readonly owner: UpstreamOwner;
  readonly messageLimits: Http1Limits;
  /** A clock that only rises. */
  readonly nowMs: () => number;
  /** The same clock, read now: for durations below a tick of `nowMs`. */
  readonly exactMs: () => number;
  /** The destination's present settings. */
  readonly settings: () => Pick<ConnectionPool, "maxRequestsPerConnection" | "maxConcurrentStreams">;
}

/** Events for its pool. */
export interface UpstreamOwner {
  /** The connection ended or takes no more requests, after its streams have ended. Called once. */
  onClosed(connection: UpstreamConnection): void;
}
