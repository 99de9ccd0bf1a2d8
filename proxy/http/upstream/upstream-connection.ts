import type { Socket } from "node:net";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

/** A dialled and verified connection, ready for requests. */
export interface DialedUpstream {
  readonly kind: "connected";
  readonly socket: Socket;
  /** As negotiated; HTTP/1.1 where nothing is. */
  readonly protocol: Extract<HttpProtocol, "http1">;
  /** `ip:port`, for the access log. */
  readonly address: string;
  /** The verified server; empty if the hop is plaintext. */
  readonly peer: string;
  /** The idle timeout. */
  readonly idleMs: number;
  /** Whether it would be dialled the same way now: own certificate, trust and destination have not changed. */
  readonly isCurrent: () => boolean;
  /** Counts requests to this endpoint; `undefined`: the client's connection counts them. */
  readonly meter: RequestMeter | undefined;
}

/** Where a connection stands in its pool; written by the pool alone. */
export interface PoolPlace {
  /** Whether it is listed as one that takes requests. */
  isListed: boolean;
  /** Since when it is idle and kept, by the pool's clock; `undefined`: it is not. */
  idleSinceMs: number | undefined;
}

/** A connection as its pool sees it, whatever its version. */
export interface UpstreamConnection {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace;
  /** How many more streams it takes now. HTTP/1.1: one, if it is idle. */
  readonly capacity: number;
  /** No stream is open. */
  readonly isIdle: boolean;
  /** Whether it can be used for another request: open, not leaving, and still as it would be dialled. */
  readonly isReusable: boolean;
  /** Whether the server's sidecar has asked its clients to leave, as it does when its pod ends. */
  readonly isLeaving: boolean;
  /** The idle timeout: the dialler's, or the server's own if that is shorter. */
  readonly idleMs: number;
  /** Takes a place of its capacity at once; the request begins with `sendHead`. */
  openStream(): UpstreamStream;
  /** Closes it, without a reset, if it is idle. */
  closeIdle(): void;
}

/** Events for its pool. */
export interface UpstreamOwner {
  /** The connection ended or takes no more requests, after its streams have ended. Called once. */
  onClosed(connection: UpstreamConnection): void;
}
