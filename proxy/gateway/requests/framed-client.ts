import type { Socket } from "node:net";
import type { CountedConnection } from "../../connections/limits/connection-capacity.ts";
import { abortSocket } from "../../connections/relay.ts";
import type { Deadlines, Watched } from "../../http/deadlines.ts";
import { ClientWait } from "../../http/downstream/client-wait.ts";
import type { RequestFault } from "../../http/downstream/downstream-options.ts";
import type { HttpTimeLimits } from "../../http/http-limits.ts";
import type { RequestEvent } from "../../http1/framer-events.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import { type ClientGuard, guardEvents } from "../fault-guard.ts";
import { WrappingStream } from "../wrapping-stream.ts";
import { formatParserHead } from "./parser-head.ts";
import { ReadRequests } from "./read-requests.ts";

export interface FramedClientOptions {
  readonly guard: ClientGuard;
  readonly deadlines: Deadlines;
  readonly timeLimits: HttpTimeLimits;
  readonly messageLimits: Http1Limits;
  /** Whether an idle connection is closed. */
  readonly isClosing: () => boolean;
  /** The client sent a malformed or too slow request, which is not being served. */
  readonly onFault: (fault: RequestFault, client: FramedClient) => void;
}

const TIMEOUT_MESSAGES = {
  head_timeout: "the request's head took too long",
  body_timeout: "the request's body took too long",
} as const;

/**
 * A client's connection as given to Node's HTTP server: the sidecar's framer in front of Node's parser decides what a
 * request is. Node reads a generated head for each request (`formatParserHead`) and the client's body, one request at a
 * time; the next one waits for `exchangeOver`. A client may half-close and still gets its response.
 */
export class FramedClient extends WrappingStream<Socket> implements Watched, CountedConnection {
  readonly isVerified = false;
  readonly #options: FramedClientOptions;
  readonly requests: ReadRequests;
  readonly guard: ClientGuard;
  readonly #wait: ClientWait;
  #hasEnded = false;
  /** Ends the request in progress, if the rest of it is malformed or too slow. */
  #onBodyFault: ((fault: RequestFault) => void) | undefined;
  /** Node accepts no more of the body until it asks for it. */
  #isFull = false;

  constructor(socket: Socket, options: FramedClientOptions) {
    super(socket);
    this.#options = options;
    this.guard = options.guard;
    guardEvents(this, this.guard.fault);
    this.requests = new ReadRequests(options.messageLimits);
    socket.on("error", () => undefined);
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    options.deadlines.add(this);
    this.#wait = new ClientWait(socket, options.deadlines);
  }

  onEnd(listener: () => void): void {
    if (this.socket.closed) listener();
    else this.socket.once("close", listener);
  }

  /** @param onBodyFault ends the current request: the rest of it is malformed or too slow. */
  serve(onBodyFault: (fault: RequestFault) => void): void {
    this.#onBodyFault = onBodyFault;
  }

  /** Whether the response in progress is the connection's last, as far as the client decides that. */
  get mustClose(): boolean {
    return this.requests.isLast(this.#hasEnded);
  }

  /** The response is complete: the next request may begin. */
  exchangeOver(): void {
    const isLast = this.mustClose;
    this.requests.finish();
    this.#onBodyFault = undefined;
    if (this.#wait.phase !== "exchange") return;
    if (isLast) return void this.end();
    this.#wait.enter("head");
    this.#handle(this.requests.framer.next());
    if (this.isIdle && this.#hasEnded) this.#finishInput();
  }

  /** Writes a response to a malformed request, and closes the connection. */
  refuse(response: string): void {
    if (this.writableEnded) return;
    this.#wait.enter("lingering");
    this.end(response, "latin1");
  }

  /** Whether no request is in progress. */
  get isIdle(): boolean {
    return this.#wait.phase === "head";
  }

  get awaitsBodySinceMs(): number | undefined {
    return this.#wait.awaitsBodySinceMs(this.requests.isWhole);
  }

  /** Closes it at once and without a reset, whatever is in progress. */
  cut(): void {
    this.#wait.enter("over");
    this.destroy();
  }

  /** Closes it because another client needs its place; with a reset if a request is in progress. */
  displace(): void {
    if (this.isIdle) this.cut();
    else this.destroy();
  }

  /** Closes the connection if no request is in progress. */
  leaveIfIdle(): void {
    if (this.requests.isEmpty) this.cut();
  }

  /** Detaches the client's socket, paused, with what has been read after the request. */
  detach(): { readonly socket: Socket; readonly rest: Buffer } {
    this.#wait.enter("tunnel");
    this.#stopListening();
    this.socket.pause();
    return { socket: this.socket, rest: this.requests.framer.takeRest() };
  }

  checkDeadline(nowMs: number): void {
    this.guard.run(() => this.#checkDeadline(nowMs));
  }

  #checkDeadline(nowMs: number): void {
    const { timeLimits, isClosing } = this.#options;
    const state = {
      // The first request must arrive within the head timeout: the client connected to send it.
      isIdle: this.requests.count > 0 && this.requests.isEmpty,
      isClosing: isClosing(),
      isFed: this.requests.isWhole === false,
    };
    const overdue = this.#wait.overdue(nowMs, state, timeLimits);
    if (overdue === "leave" || overdue === "close") this.cut();
    else if (overdue !== "nothing") this.#fault({ code: overdue, status: 408, message: TIMEOUT_MESSAGES[overdue] });
  }

  override _read(): void {
    this.#isFull = false;
    this.#settleReading();
  }

  /** Node has written the last response. */
  override _final(done: () => void): void {
    this.#wait.linger();
    done();
  }

  /** The client must see that a response is incomplete. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { phase } = this.#wait;
    if (phase !== "tunnel") {
      this.#stopListening();
      if (phase === "exchange") abortSocket(this.socket);
      else this.socket.destroy();
    }
    done(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    const { phase } = this.#wait;
    if (phase === "lingering") return;
    if (phase === "exchange" || (this.requests.count > 0 && this.requests.isEmpty)) this.#wait.restart();
    this.#handle(this.requests.framer.push(chunk));
  };

  /** A request that is malformed from its start is never passed to Node. */
  #handle(events: readonly RequestEvent[]): void {
    const fault = events.find((event) => event.kind === "fault");
    if (fault !== undefined && this.requests.head === undefined) this.#fault(fault.fault);
    else for (const event of events) this.#onEvent(event);
    this.#settleReading();
  }

  #onEvent(event: RequestEvent): void {
    this.requests.note(event);
    switch (event.kind) {
      case "head":
        this.#wait.enter("exchange");
        this.#give(Buffer.from(formatParserHead(event.head), "latin1"));
        break;
      case "body":
        this.#give(event.bytes);
        break;
      case "fault":
        this.#fault(event.fault);
        break;
      case "end":
        break;
    }
  }

  #give(bytes: Buffer): void {
    if (!this.destroyed && !this.push(bytes)) this.#isFull = true;
  }

  #fault(fault: RequestFault): void {
    if (this.requests.head === undefined) this.#options.onFault(fault, this);
    else if (this.#onBodyFault === undefined) this.destroy();
    else this.#onBodyFault(fault);
  }

  /** A client that sends more than can be served now is paused. */
  #settleReading(): void {
    const { phase } = this.#wait;
    if (phase === "tunnel" || phase === "over") return;
    const isHeldBack =
      phase === "exchange" && (this.requests.isWhole === true ? this.requests.framer.bufferedBytes > 0 : this.#isFull);
    if (isHeldBack) this.socket.pause();
    else if (this.socket.isPaused()) {
      // The client could not send more until now.
      if (phase === "exchange") this.#wait.restart();
      this.socket.resume();
    }
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.isIdle || this.requests.isWhole === false) this.#finishInput();
  };

  /** The client has half-closed: fine between two requests, an abort inside one. */
  #finishInput(): void {
    if (this.requests.framer.end().length > 0) this.destroy();
    else this.end();
  }

  readonly #onClose = (): unknown => this.destroy();

  #stopListening(): void {
    this.socket.off("data", this.#onData);
    this.socket.off("end", this.#onEnd);
    this.socket.off("close", this.#onClose);
    this.#options.deadlines.delete(this);
  }
}
