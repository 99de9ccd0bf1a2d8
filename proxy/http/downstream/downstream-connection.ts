import type { Socket } from "node:net";
import { abortSocket, type Relay, type RelayEnd } from "../../connections/relay.ts";
import type { RequestEvent } from "../../http1/framer-events.ts";
import type { RequestHead } from "../../http1/message-head.ts";
import { RequestFramer } from "../../http1/request-framer.ts";
import { Exchange } from "../exchange/exchange.ts";
import type { DownstreamFacts, ExchangeClient } from "../exchange/exchange-client.ts";
import { formatLocalReply } from "../local-reply.ts";
import { type DownstreamPhase, decideOverdue } from "./decide-overdue.ts";
import type { DownstreamOptions, RequestFault } from "./downstream-options.ts";
import { startTunnel, type TunnelBytes } from "./start-tunnel.ts";

/**
 * One client's HTTP/1.1 connection. Requests are handled in order, one at a time. While one is in progress, bytes of
 * the next are held, and no more is read than the exchange can accept. Nothing is forwarded of a request whose head two
 * parsers might read differently.
 */
export class DownstreamConnection implements ExchangeClient, Relay {
  readonly facts: DownstreamFacts;
  readonly socket: Socket;
  readonly ended: Promise<RelayEnd>;
  readonly #options: DownstreamOptions;
  readonly #requests: RequestFramer;
  #settle: (end: RelayEnd) => void = ignore;
  #exchange: Exchange | undefined;
  #phase: DownstreamPhase = "head";
  /** Since when it waits: for a complete head, for the next request, for more of a body, or for the client to close. */
  #waitsSinceMs: number;
  #hasEnded = false;
  #isLast = false;
  #isHandling = false;
  #tunnel: Relay | undefined;

  constructor(socket: Socket, options: DownstreamOptions) {
    this.socket = socket;
    this.facts = options.facts;
    this.#options = options;
    this.#requests = new RequestFramer(options.context.messageLimits);
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#waitsSinceMs = options.context.deadlines.nowMs;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("drain", this.#onDrain);
    socket.on("close", this.#onClose);
    socket.on("error", ignore);
    options.context.deadlines.add(this);
    if (options.early.length > 0) this.#onData(options.early);
    if (socket.destroyed) this.#onClose();
    else this.#settleReading();
  }

  /** No part of a head, and nothing after a request that is still in progress. */
  get #holdsNothing(): boolean {
    return this.#requests.bufferedBytes === 0;
  }

  /** Whether no request is in progress. An incomplete head has not been delivered anywhere, however long it takes. */
  get isIdle(): boolean {
    return this.#phase === "head";
  }

  /** Whether it waits for a request of which nothing has arrived. */
  get #awaitsRequest(): boolean {
    return this.isIdle && this.#holdsNothing;
  }

  /** No request is read after the one in progress. */
  get #isLeaving(): boolean {
    const { context, isCurrent } = this.#options;
    return context.draining.aborted || !isCurrent();
  }

  cut(): void {
    if (this.#tunnel === undefined) this.#over("closed_by_proxy");
    else this.#tunnel.cut();
  }

  mustClose(): boolean {
    const isLast = this.#isLast || (this.#hasEnded && this.#holdsNothing);
    return isLast || this.#isLeaving;
  }

  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.#touch();
    if (this.socket.isPaused()) this.socket.resume();
  }

  exchangeOver(closes: boolean): void {
    const isWhole = this.#exchange?.requestEnded === true;
    this.#exchange = undefined;
    if (closes || !isWhole) {
      this.#closeLingering();
      return;
    }
    this.#phase = "head";
    this.#touch();
    // While events are being handled, their loop continues with what is held.
    if (this.#isHandling) return;
    if (this.#takesNext()) this.#handle(this.#requests.next());
    else this.#settleReading();
  }

  abort(): void {
    this.#over("reset_by_upstream");
  }

  tunnelTo(upstream: Socket, onEnd: (bytes: TunnelBytes) => void): void {
    this.#phase = "tunnel";
    this.#exchange = undefined;
    this.#detach();
    const ends = { downstream: this.socket, upstream };
    this.#tunnel = startTunnel(ends, this.#options.context.clock, this.#requests.takeRest(), onEnd);
    void this.#tunnel.ended.then(this.#settle);
  }

  checkDeadline(nowMs: number): void {
    const { limits } = this.#options.context;
    const waiting = {
      phase: this.#phase,
      waitedMs: nowMs - this.#waitsSinceMs,
      isIdle: this.#awaitsRequest,
      isDraining: this.#isLeaving,
      awaitsBody: this.#exchange?.requestEnded === false && !this.socket.isPaused(),
      isAnswerOut: this.socket.writableFinished,
    };
    switch (decideOverdue(waiting, limits)) {
      case "nothing":
        break;
      case "leave":
        this.#leave();
        break;
      case "head_timeout":
        this.#refuse({ code: "head_timeout", status: 408, message: "the request's head took too long" });
        break;
      case "body_timeout":
        this.#exchange?.clientDisconnected("SI");
        break;
      case "close":
        this.#over("closed");
        break;
    }
  }

  /** Restarts the current wait. */
  #touch(): void {
    this.#waitsSinceMs = this.#options.context.deadlines.nowMs;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#phase === "lingering") return;
    if (this.#awaitsRequest || this.#phase === "exchange") this.#touch();
    this.#handle(this.#requests.push(chunk));
  };

  /** Handles events, and then held bytes as long as responses are immediate. */
  #handle(first: readonly RequestEvent[]): void {
    this.#isHandling = true;
    for (let events = first; events.length > 0; events = this.#takesNext() ? this.#requests.next() : []) {
      this.#handleBatch(events);
    }
    this.#isHandling = false;
    this.#settleReading();
  }

  /** What arrived in one packet leaves in one: a request is started when its whole packet has been parsed. */
  #handleBatch(events: readonly RequestEvent[]): void {
    const underWay = events.length > 1 ? this.#exchange : undefined;
    underWay?.setRequestBatch(true);
    let head: RequestHead | undefined;
    for (const event of events) {
      if (event.kind === "head") ({ head } = event);
      this.#onEvent(event);
    }
    underWay?.setRequestBatch(false);
    if (head !== undefined) this.#exchange?.start(this.#options.planRequest(head));
  }

  #takesNext(): boolean {
    return this.#phase === "head" && !this.socket.writableNeedDrain;
  }

  /** A client that sends more than can be handled now is paused. */
  #settleReading(): void {
    if (this.#phase === "exchange") {
      if (this.#exchange?.requestEnded === true && !this.#holdsNothing) this.socket.pause();
    } else if (this.#phase === "head") {
      if (this.socket.writableNeedDrain) this.socket.pause();
      else if (this.#hasEnded) this.#finishInput();
      else if (this.socket.isPaused()) this.socket.resume();
    }
  }

  #onEvent(event: RequestEvent): void {
    switch (event.kind) {
      case "head":
        this.#phase = "exchange";
        this.#isLast = !event.head.keepAlive;
        this.#exchange = new Exchange(this, event.head, this.#options.context);
        break;
      case "body":
        this.#exchange?.requestBody(event.bytes);
        break;
      case "end":
        this.#exchange?.requestEnd();
        break;
      case "fault":
        this.#refuse(event.fault);
        break;
    }
  }

  /**
   * A fault before anything was forwarded gets a local reply. Later it cuts the exchange: the server must not receive a
   * complete request.
   */
  #refuse(fault: RequestFault): void {
    this.#options.onFault(fault);
    if (this.#exchange?.isStarted === true) {
      this.#exchange.clientDisconnected("DPE");
      return;
    }
    this.#exchange = undefined;
    const { status, message } = fault;
    this.facts.meter().count({ status, flags: "DPE", durationMs: 0, requestBytes: 0, responseBytes: 0 });
    const reply = { status, flags: "DPE", details: `malformed request: ${message}` } as const;
    this.socket.write(formatLocalReply(reply, { close: true, isHead: false }), "latin1");
    this.#closeLingering();
  }

  /**
   * Closes the connection after its last response. Remaining bytes are read, because a reset would destroy the
   * response.
   */
  #closeLingering(): void {
    if (this.#phase === "over") return;
    this.#phase = "lingering";
    this.#touch();
    this.socket.end(() => this.#touch());
    this.socket.resume();
  }

  /** Closes an idle connection; an unsent response is sent first. */
  #leave(): void {
    if (this.socket.writableLength > 0) this.#closeLingering();
    else this.#over("closed");
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#phase === "head") this.#finishInput();
    else if (this.#phase === "exchange" && this.#exchange?.requestEnded === false) this.#finishInput();
  };

  /** The client has half-closed: fine between two requests, an abort inside one. */
  #finishInput(): void {
    const fault = this.#requests.end().find((event) => event.kind === "fault");
    if (fault === undefined) {
      this.#leave();
    } else if (this.#exchange === undefined) {
      this.#over("reset_by_downstream");
    } else {
      this.#options.onFault(fault.fault);
      this.#exchange.clientDisconnected("DC");
    }
  }

  readonly #onDrain = (): void => {
    this.#exchange?.onClientDrain();
    if (this.#phase === "head") this.#handle(this.#requests.next());
  };

  readonly #onClose = (): void => {
    this.#over(this.#phase === "lingering" || this.#phase === "head" ? "closed" : "reset_by_downstream");
  };

  #over(end: RelayEnd): void {
    if (this.#phase === "over" || this.#phase === "tunnel") return;
    this.#phase = "over";
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#detach();
    exchange?.clientDisconnected(end === "closed_by_proxy" ? "DO" : "DC");
    if (end === "closed") this.socket.destroy();
    else abortSocket(this.socket);
    this.#settle(end);
  }

  #detach(): void {
    this.socket.off("data", this.#onData);
    this.socket.off("end", this.#onEnd);
    this.socket.off("drain", this.#onDrain);
    this.socket.off("close", this.#onClose);
    this.#options.context.deadlines.delete(this);
    this.socket.pause();
  }
}

function ignore(): void {}
