import type { Socket } from "node:net";
import { Ending } from "../../connections/ending.ts";
import type { Activity } from "../../connections/limits/connection-capacity.ts";
import { abortSocket, type CutReason, type Relay, type RelayEnd } from "../../connections/relay.ts";
import { Http2ServerConnection } from "../../http2/connection/http2-server-connection.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { cutBecause, DISCONNECTED } from "../../messages/abort-reason.ts";
import { Http2Output } from "../http2-output.ts";
import { lendContent } from "../lend-pieces.ts";
import { addListeners, removeListeners, type SocketListeners } from "../socket-listeners.ts";
import { HEAD_TIMEOUT } from "./client-timeouts.ts";
import type { DownstreamOptions } from "./downstream-options.ts";
import type { Http2ClientStream, StreamOwner } from "./http2-client-stream.ts";
import { http2LimitsFor } from "./http2-faults.ts";
import { type ClientEvent, Http2Input } from "./http2-input.ts";
import { Http2Wait } from "./http2-wait.ts";
import { StreamSet } from "./stream-set.ts";

/**
 * One client's HTTP/2 connection. Each stream has an exchange of its own; none waits for another. The connection is
 * always read: what the exchanges do not take closes the streams' windows.
 */
export class Http2Downstream implements StreamOwner, Relay, Activity {
  readonly options: DownstreamOptions;
  readonly engine: Http2ServerConnection<Http2ClientStream>;
  readonly #socket: Socket;
  readonly #listeners: SocketListeners;
  readonly #output: Http2Output;
  readonly #wait: Http2Wait;
  readonly #ending = new Ending<RelayEnd>();
  readonly #streams = new StreamSet<Http2ClientStream>();
  readonly #input = new Http2Input(this, this.#streams);
  /** Streams whose response is complete and not yet written. */
  readonly #finishing: Http2ClientStream[] = [];

  constructor(socket: Socket, options: DownstreamOptions) {
    const { context, early } = options;
    this.#socket = socket;
    this.options = options;
    context.deadlines.add(this);
    this.engine = new Http2ServerConnection({ limits: http2LimitsFor(options), nowMs: context.deadlines.nowMs });
    this.#output = new Http2Output(socket, this.engine, this.#onOutputTaken);
    this.#wait = new Http2Wait(socket, options);
    this.#listeners = { data: this.#onData, end: this.#onEnd, drain: this.#onDrain, close: this.#onClose };
    addListeners(socket, this.#listeners);
    if (early.length > 0) this.#onData(early);
    if (socket.destroyed) this.#onClose();
    else {
      this.requestFlush();
      if (socket.isPaused()) socket.resume();
    }
  }

  onEnd(listener: (end: RelayEnd) => void): void {
    this.#ending.onEnd(listener);
  }

  bytes(): { readonly received: number; readonly sent: number } {
    return { received: this.#socket.bytesRead, sent: this.#socket.bytesWritten };
  }

  /** Whether no request is in progress. */
  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  /** Defined only if each request in progress waits for its client: a connection with other work is not stalled. */
  get awaitsBodySinceMs(): number | undefined {
    if (this.isIdle) return undefined;
    let sinceMs = this.#wait.silentSinceMs;
    for (const stream of this.#streams.values()) {
      if (!stream.awaitsBody) return undefined;
      // A client that listens to its response has not stalled.
      sinceMs = Math.max(sinceMs, stream.quietSinceMs(this.options.context.deadlines.nowMs));
    }
    return sinceMs;
  }

  cut(reason?: CutReason): void {
    this.#over("closed_by_proxy", reason);
  }

  judgeRequests(): void {
    for (const stream of this.#streams.values()) stream.judgeRequest();
  }

  requestFlush(): void {
    this.#output.request();
  }

  awaitSent(stream: Http2ClientStream): void {
    this.#finishing.push(stream);
  }

  streamOver(stream: Http2ClientStream): void {
    this.#streams.delete(stream);
    const at = this.#finishing.indexOf(stream);
    if (at >= 0) this.#finishing.splice(at, 1);
    if (this.isIdle) this.#wait.becameIdle();
  }

  checkDeadline(nowMs: number): void {
    switch (this.#wait.overdue(nowMs, { isIdle: this.isIdle, awaitsHead: this.engine.awaitsHead })) {
      case "close":
        this.#over("closed");
        return;
      case "head_timeout":
        this.options.onFault(HEAD_TIMEOUT);
        this.#handle(
          this.engine.abort(ERROR_CODE.enhanceYourCalm, HEAD_TIMEOUT.message).filter(({ kind }) => kind !== "failed"),
        );
        break;
      case "drain":
        this.engine.drain(nowMs);
        break;
      case "nothing":
        break;
    }
    for (const stream of this.#streams.values()) stream.checkDeadline(nowMs);
    this.#handle(this.engine.expire(nowMs));
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#wait.isLingering) return;
    this.#wait.noteInput();
    const events = this.engine.receive(chunk, this.options.context.deadlines.exactMs);
    lendContent(chunk, events);
    this.#handle(events);
    this.#wait.noteHead(this.engine.awaitsHead);
  };

  readonly #onDrain = (): void => this.#output.flush();

  readonly #onOutputTaken = (): void => {
    if (this.#finishing.length > 0) for (const stream of [...this.#finishing]) stream.checkSent();
    const events = this.engine.takeEvents();
    if (events.length > 0) this.#handle(events);
    this.#endWhenWritten();
  };

  /** Handles what happened at once; what it causes leaves together. */
  #handle(events: readonly ClientEvent[]): void {
    this.#output.hold();
    for (const event of events) {
      if (event.kind === "head") this.#wait.noteRequest();
      else if (event.kind === "drained") this.#linger();
      this.#input.handle(event);
    }
    this.#input.deliver();
    this.#output.release();
    if (this.engine.isOver) this.#linger();
  }

  /** Writes what is left and a FIN, and waits for the client to close. Its remaining bytes are read. */
  #linger(): void {
    if (!this.#wait.isOpen) return;
    this.#wait.linger();
    this.#endWhenWritten();
  }

  /** A FIN follows the last frame. */
  #endWhenWritten(): void {
    if (this.#wait.isLingering && !this.engine.hasOutput && !this.#socket.writableEnded) this.#socket.end();
  }

  /** A client that ends its side can open no window and end no stream: what is in progress is lost. */
  readonly #onEnd = (): void => {
    if (!this.isIdle) this.#over("reset_by_downstream");
    else if (this.#socket.writableLength > 0) this.#linger();
    else this.#over("closed");
  };

  readonly #onClose = (): void => {
    this.#over(this.isIdle ? "closed" : "reset_by_downstream");
  };

  #over(end: RelayEnd, cutReason?: CutReason): void {
    if (this.#ending.isOver) return;
    this.#wait.over();
    this.#output.stop();
    this.#detach();
    this.engine.end();
    const reason = end === "closed_by_proxy" ? cutBecause(cutReason) : DISCONNECTED;
    for (const stream of this.#streams.values()) stream.onReset(reason);
    if (end === "closed") this.#socket.destroy();
    else abortSocket(this.#socket);
    this.#ending.report(end);
  }

  #detach(): void {
    removeListeners(this.#socket, this.#listeners);
    this.options.context.deadlines.delete(this);
    this.#socket.pause();
  }
}
