import type { Socket } from "node:net";
import { Ending } from "../../connections/ending.ts";
import type { Activity } from "../../connections/limits/connection-capacity.ts";
import { abortSocket, type CutReason, type Relay, type RelayEnd } from "../../connections/relay.ts";
import { cutBecause, DISCONNECTED } from "../../messages/abort-reason.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { Exchange } from "../exchange/exchange.ts";
import type { DownstreamFacts, ExchangeClient } from "../exchange/exchange-client.ts";
import { addListeners, removeListeners, type SocketListeners } from "../socket-listeners.ts";
import { BODY_TIMEOUT, HEAD_TIMEOUT } from "./client-timeouts.ts";
import { ClientWait } from "./client-wait.ts";
import type { DownstreamOptions, RequestFault } from "./downstream-options.ts";
import { Http1Input, type RequestHandlers } from "./http1-input.ts";
import { Http1Response, type ResponseOwner } from "./http1-response.ts";
import { normalizeRequest, planNormalized } from "./normalize-request.ts";
import { startTunnel, type TunnelBytes } from "./start-tunnel.ts";

/**
 * One client's HTTP/1.1 connection. Requests are handled one at a time; bytes of the next are held, and no more is read
 * than the exchange can accept. Nothing is forwarded of a request whose head two parsers might read differently.
 */
export class Http1Downstream implements ExchangeClient, RequestHandlers, ResponseOwner, Relay, Activity {
  readonly facts: DownstreamFacts;
  readonly response: Http1Response;
  readonly #socket: Socket;
  readonly #listeners: SocketListeners;
  readonly #options: DownstreamOptions;
  readonly #input: Http1Input;
  readonly #wait: ClientWait;
  readonly #ending = new Ending<RelayEnd>();
  /** Of the request in progress, or of the tunnel. */
  #exchange: Exchange | undefined;
  #tunnel: Relay | undefined;

  constructor(socket: Socket, options: DownstreamOptions) {
    this.#socket = socket;
    this.response = new Http1Response(socket, this);
    this.facts = options.facts;
    this.#options = options;
    options.context.deadlines.add(this);
    this.#wait = new ClientWait(socket, options.context.deadlines);
    this.#input = new Http1Input(options.context.messageLimits, this);
    this.#listeners = { data: this.#onData, end: this.#onEnd, drain: this.#onDrain, close: this.#onClose };
    addListeners(socket, this.#listeners);
    if (options.early.length > 0) this.#onData(options.early);
    if (socket.destroyed) this.#onClose();
    else this.settleReading();
  }

  onEnd(listener: (end: RelayEnd) => void): void {
    this.#ending.onEnd(listener);
  }

  bytes(): { readonly received: number; readonly sent: number } {
    return { received: this.#socket.bytesRead, sent: this.#socket.bytesWritten };
  }

  /** No request is in progress. An incomplete head has not been delivered anywhere, however long it takes. */
  get isIdle(): boolean {
    return this.#wait.phase === "head";
  }

  get awaitsBodySinceMs(): number | undefined {
    const sinceMs = this.#wait.awaitsBodySinceMs(this.#exchange?.requestEnded);
    if (sinceMs === undefined) return undefined;
    // A client that listens to its response has not stalled.
    return Math.max(sinceMs, this.#exchange?.record.quietSinceMs(this.#options.context.deadlines.nowMs) ?? sinceMs);
  }

  /** Whether it waits for a request of which nothing has arrived. */
  get #awaitsRequest(): boolean {
    return this.isIdle && this.#input.holdsNothing;
  }

  /** Whether an idle connection is closed. */
  get #isClosing(): boolean {
    const { context, isCurrent } = this.#options;
    return context.drain.closing.aborted || !isCurrent();
  }

  cut(reason?: CutReason): void {
    if (this.#tunnel !== undefined && reason !== undefined) this.#exchange?.noteCut(reason);
    this.#end("closed_by_proxy", reason);
  }

  #end(end: RelayEnd, reason?: CutReason): void {
    if (this.#tunnel === undefined) this.#over(end, reason);
    else this.#tunnel.cut();
  }

  judgeRequests(): void {
    this.#exchange?.judgeAgain();
  }

  isLast(): boolean {
    if (this.#exchange?.requestEnded !== true || this.#input.isLast) return true;
    return this.#options.context.drain.draining.aborted || this.#isClosing;
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#wait.restart();
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  exchangeOver(): void {
    const isWhole = this.#exchange?.requestEnded === true;
    this.#exchange = undefined;
    if (this.response.closes || !isWhole) this.#wait.linger();
    else {
      this.#wait.enter("head");
      this.#input.continue();
    }
  }

  abort(): void {
    this.response.flush();
    this.#end("reset_by_upstream");
  }

  tunnelTo(upstream: Socket, onEnd: (bytes: TunnelBytes) => void): void {
    this.response.flush();
    this.#wait.enter("tunnel");
    this.#detach();
    const ends = { downstream: this.#socket, upstream };
    this.#tunnel = startTunnel(ends, this.#options.context.clock, this.#input.takeRest(), onEnd);
    this.#tunnel.onEnd((end) => this.#ending.report(end));
  }

  checkDeadline(nowMs: number): void {
    this.#exchange?.checkDeadline(nowMs);
    if (this.#input.hasEnded) this.#wait.probe();
    const isFed = this.#exchange?.record.isFedByClient === true;
    const state = { isIdle: this.#awaitsRequest, isClosing: this.#isClosing, isFed };
    switch (this.#wait.overdue(nowMs, state, this.#options.context.limits)) {
      case "nothing":
        break;
      case "leave":
        this.#leave();
        break;
      case "head_timeout":
        this.refuseRequest(HEAD_TIMEOUT);
        break;
      case "body_timeout":
        this.#exchange?.onClientLost(BODY_TIMEOUT);
        break;
      case "close":
        this.#over("closed");
        break;
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    const { phase } = this.#wait;
    if (phase === "lingering") return;
    if (this.#awaitsRequest || phase === "exchange") this.#wait.restart();
    this.#input.push(chunk);
  };

  get takesNext(): boolean {
    return this.isIdle && !this.#socket.writableNeedDrain;
  }

  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  beginRequest(head: RequestHead): void {
    this.#wait.enter("exchange");
    this.response.begin(head);
    this.#exchange = new Exchange(this, normalizeRequest(head, this.#options), this.#options.context);
  }

  startRequest(): void {
    this.#exchange?.start((head) => planNormalized(head, this.#options));
  }

  /** A client that sends more than can be handled now is paused. */
  settleReading(): void {
    if (this.#exchange?.requestEnded === true && !this.#input.holdsNothing) this.#socket.pause();
    if (!this.isIdle) return;
    if (this.#socket.writableNeedDrain) this.#socket.pause();
    else if (this.#input.hasEnded) this.#finishInput();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /**
   * A fault before anything was forwarded gets a local reply. Later it cuts the exchange: the server must not receive a
   * complete request.
   */
  refuseRequest(fault: RequestFault): void {
    this.#options.onFault(fault);
    const { code, status, message } = fault;
    if (this.#exchange?.isStarted === true) {
      this.#exchange.onClientLost({ kind: "malformed", code, message });
      return;
    }
    this.#exchange = undefined;
    this.facts.meter().count({ status, flags: "DPE", durationMs: 0, requestBytes: 0, responseBytes: 0 });
    this.response.refuse({ status, flags: "DPE", details: `malformed request: ${message}` });
    this.#wait.linger();
  }

  /** Closes an idle connection; an unsent response is sent first. */
  #leave(): void {
    if (this.#socket.writableLength > 0) this.#wait.linger();
    else this.#over("closed");
  }

  readonly #onEnd = (): void => {
    this.#input.hasEnded = true;
    if (this.isIdle || this.#exchange?.requestEnded === false) this.#finishInput();
  };

  /** The client has half-closed: fine between two requests, an abort inside one. */
  #finishInput(): void {
    const fault = this.#input.end();
    if (fault === undefined) this.#leave();
    else if (this.#exchange === undefined) this.#over("reset_by_downstream");
    else {
      this.#options.onFault(fault);
      this.#exchange.onClientLost(DISCONNECTED);
    }
  }

  readonly #onDrain = (): void => {
    this.#exchange?.onClientDrain();
    if (this.isIdle) this.#input.continue();
  };

  readonly #onClose = (): void => {
    this.#over(this.#wait.phase === "lingering" || this.isIdle ? "closed" : "reset_by_downstream");
  };

  #over(end: RelayEnd, reason?: CutReason): void {
    const { phase } = this.#wait;
    if (phase === "over" || phase === "tunnel") return;
    this.#wait.enter("over");
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#detach();
    exchange?.onClientLost(end === "closed_by_proxy" ? cutBecause(reason) : DISCONNECTED);
    if (end === "closed") this.#socket.destroy();
    else abortSocket(this.#socket);
    this.#ending.report(end);
  }

  #detach(): void {
    removeListeners(this.#socket, this.#listeners);
    this.#options.context.deadlines.delete(this);
    this.#socket.pause();
  }
}
