import type { Socket } from "node:net";
import { abortSocket } from "../../connections/relay.ts";
import type { Http1Fault } from "../../http1/framer-events.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { ResponseHead } from "../../http1/message-head.ts";
import { ResponseFramer } from "../../http1/response-framer.ts";
import type { ResponseContext } from "../../http1/scanning/scan-response-head.ts";
import type { RequestMeter } from "../../telemetry/request-meter.ts";

/** A dialled and verified connection, ready for requests. */
export interface DialedUpstream {
  readonly kind: "connected";
  readonly socket: Socket;
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

/** Receives one request's response. */
export interface ResponseSink {
  /** All events of one packet come between these two calls, so that they can leave as one. */
  onPacketStart(packet: Buffer): void;
  onPacketEnd(): void;
  /** Also for 100 and 103, which do not end the exchange; after a 101 the connection is a tunnel. */
  onResponseHead(head: ResponseHead): void;
  onResponseBody(bytes: Buffer): void;
  onResponseEnd(): void;
  /** The connection is unusable: it broke, or the server does not speak HTTP/1.1. Called at most once. */
  onUpstreamLost(fault: Http1Fault | undefined): void;
  onUpstreamDrain(): void;
}

/** Events for its pool. */
export interface UpstreamOwner {
  /** The connection ended or must not be reused. Called once. */
  onClosed(connection: UpstreamConnection): void;
}

/**
 * One HTTP/1.1 connection to a server: one request at a time, with strict parsing of responses. Unsolicited bytes close
 * it (RFC 9112 §9.2), so that they never become the response to the next request.
 */
export class UpstreamConnection {
  readonly dialed: DialedUpstream;
  readonly socket: Socket;
  readonly #owner: UpstreamOwner;
  readonly #framer: ResponseFramer;
  #sink: ResponseSink | undefined;
  #isClosed = false;
  #served = 0;
  #isReusable = true;
  #isInterim = false;
  #isLeaving = false;
  /** Since when it is idle, by the pool's clock. */
  idleSinceMs = 0;
  /** The idle timeout: the dialler's, or the server's own if that is shorter. */
  idleMs: number;

  constructor(dialed: DialedUpstream, owner: UpstreamOwner, limits?: Http1Limits) {
    this.#framer = new ResponseFramer(limits);
    this.dialed = dialed;
    this.socket = dialed.socket;
    this.idleMs = dialed.idleMs;
    this.#owner = owner;
    this.socket.on("data", this.#onData);
    this.socket.on("end", this.#onEnd);
    this.socket.on("drain", this.#onDrain);
    this.socket.on("close", this.#onClose);
    this.socket.on("error", ignore);
  }

  /** Whether it has already served a request: then the server may have closed it unnoticed. */
  get isReused(): boolean {
    return this.#served > 0;
  }

  /** Whether it can be used for another request. */
  get isReusable(): boolean {
    return this.#isReusable && !this.#isClosed && this.dialed.isCurrent();
  }

  /** Whether the server's sidecar has asked its clients to leave, as it does when its pod ends. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** Begins a request; the response goes to `sink` until `release`. */
  begin(sink: ResponseSink, request: ResponseContext): void {
    this.#sink = sink;
    this.#framer.expect(request);
  }

  /** Request and response are complete. */
  release(): void {
    this.#sink = undefined;
    this.#served += 1;
    if (this.socket.isPaused()) this.socket.resume();
  }

  /** Resets the connection: the server sees an aborted request. */
  abort(): void {
    this.#sink = undefined;
    abortSocket(this.socket);
    this.#leave();
  }

  /** Detaches the socket after a 101, with the server's later bytes put back. */
  detach(): Socket {
    const { socket } = this;
    this.#sink = undefined;
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("drain", this.#onDrain);
    socket.off("close", this.#onClose);
    socket.pause();
    const rest = this.#framer.takeRest();
    if (rest.length > 0) socket.unshift(rest);
    this.#leave();
    return socket;
  }

  readonly #onData = (chunk: Buffer): void => {
    const events = this.#framer.push(chunk);
    const isBatch = events.length > 1;
    if (isBatch) this.#sink?.onPacketStart(chunk);
    const sink = this.#sink;
    for (const event of events) {
      switch (event.kind) {
        case "head":
          this.#noteHead(event.head);
          this.#sink?.onResponseHead(event.head);
          break;
        case "body":
          this.#sink?.onResponseBody(event.bytes);
          break;
        case "end":
          if (!this.#isInterim) this.#sink?.onResponseEnd();
          break;
        case "fault":
          this.#lose(event.fault);
          break;
      }
    }
    if (isBatch) sink?.onPacketEnd();
  };

  #noteHead(head: ResponseHead): void {
    this.#isInterim = head.status < 200 && head.status !== 101;
    if (head.status < 200) return;
    if (head.framing.kind === "until_close") this.#isReusable = false;
    else if (!head.keepAlive) {
      this.#isReusable = false;
      this.#isLeaving = this.dialed.peer !== "";
    }
    // The server's timeout starts when it has sent its response, ours when we have read it: half a second of margin.
    if (head.idleSeconds !== undefined) this.idleMs = Math.min(this.idleMs, head.idleSeconds * 1000 - 1000);
    if (this.idleMs <= 0) this.#isReusable = false;
  }

  readonly #onEnd = (): void => {
    this.#isReusable = false;
    const endsWell = this.#framer.end().some((event) => event.kind === "end");
    if (endsWell) this.#sink?.onResponseEnd();
    if (this.#sink === undefined) this.#close();
    else this.#lose(undefined);
  };

  readonly #onDrain = (): void => this.#sink?.onUpstreamDrain();

  readonly #onClose = (): void => this.#lose(undefined);

  #lose(fault: Http1Fault | undefined): void {
    const sink = this.#sink;
    this.#sink = undefined;
    abortSocket(this.socket);
    this.#leave();
    sink?.onUpstreamLost(fault);
  }

  /** An idle connection is closed without a reset. */
  #close(): void {
    this.socket.destroy();
    this.#leave();
  }

  /** Closes it if it is idle. */
  closeIdle(): void {
    if (this.#sink === undefined) this.#close();
  }

  #leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.onClosed(this);
  }
}

function ignore(): void {}
