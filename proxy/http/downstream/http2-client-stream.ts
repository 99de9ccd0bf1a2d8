import type { Socket } from "node:net";
import { abortSocket } from "../../connections/relay.ts";
import type { Http2ServerConnection } from "../../http2/connection/http2-server-connection.ts";
import type { Http2Stream } from "../../http2/connection/http2-stream.ts";
import { clientResetCode } from "../../http2/conversion/abort-codes.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { Exchange } from "../exchange/exchange.ts";
import type { DownstreamFacts, ExchangeClient } from "../exchange/exchange-client.ts";
import type { HttpContext } from "../http-context.ts";
import { BODY_TIMEOUT } from "./client-timeouts.ts";
import type { DownstreamOptions } from "./downstream-options.ts";
import type { RepliedRequest } from "./format-local-reply.ts";
import { Http2Response, type ResponseTarget } from "./http2-response.ts";
import { normalizeRequest, planNormalized } from "./normalize-request.ts";
import { StreamInput } from "./stream-input.ts";
import type { StreamSetMember } from "./stream-set.ts";

/** The connection of a stream. */
export interface StreamOwner extends ResponseTarget<Http2ClientStream> {
  readonly engine: Http2ServerConnection<Http2ClientStream>;
  readonly options: DownstreamOptions;
  /** The response is complete but not written, because the client's windows or its connection hold it up. */
  awaitSent(stream: Http2ClientStream): void;
  /** It needs nothing more. */
  streamOver(stream: Http2ClientStream): void;
}

/** How far a stream is. `finishing`: its exchange is over, and the end of its response is not yet written. */
type StreamState = "arriving" | "exchanging" | "finishing" | "over";

/**
 * One request of an HTTP/2 client, with its exchange and its response. Content goes back to the client's windows only
 * when the exchange has taken it: that is the backpressure.
 */
export class Http2ClientStream implements ExchangeClient, StreamSetMember {
  place = -1;
  readonly facts: DownstreamFacts;
  readonly response: Http2Response<Http2ClientStream>;
  readonly #owner: StreamOwner;
  readonly #stream: Http2Stream<Http2ClientStream>;
  readonly #context: HttpContext;
  readonly #input = new StreamInput();
  #head: RequestHead | undefined;
  #exchange: Exchange | undefined;
  #state: StreamState = "arriving";
  /** The request is complete, with its trailers. */
  #end: { readonly trailers: Trailers | undefined } | undefined;
  #isPaused = false;
  #isDelivering = false;
  /** Content that is not yet given back to the client's windows. */
  #owedBytes = 0;
  /** Of these, what no longer counts against the connection's window. */
  #heldBytes = 0;
  #sinceMs: number;

  constructor(owner: StreamOwner, stream: Http2Stream<Http2ClientStream>) {
    this.#owner = owner;
    this.#stream = stream;
    this.#context = owner.options.context;
    this.facts = owner.options.facts;
    this.response = new Http2Response(owner, stream);
    this.#sinceMs = this.#context.deadlines.nowMs;
  }

  /** Its request; `deliver` starts the exchange. */
  setHead(received: RequestHead): void {
    const head = normalizeRequest(received, this.#owner.options);
    this.#head = head;
    this.response.begin(head);
    if (head.content.kind === "none") this.#end = NO_TRAILERS;
  }

  /** Its request is not forwarded. */
  refuse(request: RepliedRequest, reply: LocalReply): void {
    this.response.begin(request);
    this.response.sendReply(reply);
    this.exchangeOver();
  }

  /** Whether more of the request is expected of the client, and would be taken. */
  get awaitsBody(): boolean {
    return this.#state === "exchanging" && this.#end === undefined && !this.#isPaused;
  }

  /** Content has arrived: a view of what was read. */
  addContent(bytes: Buffer): void {
    this.#sinceMs = this.#context.deadlines.nowMs;
    this.#owedBytes += bytes.length;
    if (this.#state === "finishing" || this.#state === "over") this.#consume();
    else {
      this.#input.add(bytes);
      if (this.#isPaused) this.#hold();
    }
  }

  addEnd(trailers: Trailers | undefined): void {
    this.#end ??= { trailers };
  }

  /** Everything that was read at once has been added: it is handed on, as one packet. */
  deliver(): void {
    if (this.#state === "arriving" && this.#head !== undefined) this.#begin(this.#head);
    else if (this.#state === "exchanging" && !this.#isPaused) this.#handOn();
  }

  /** The client, or its connection, has ended the stream. */
  onReset(reason: AbortReason): void {
    if (this.#state === "exchanging") this.#exchange?.onClientLost(reason);
    this.#release();
  }

  onWritable(): void {
    this.response.noteRoom();
    if (this.#state === "exchanging") this.#exchange?.onClientDrain();
  }

  /** Output was taken. @returns whether the end of the response is written. */
  checkSent(): boolean {
    if (!this.response.isSent) return false;
    this.#release();
    return true;
  }

  judgeRequest(): void {
    this.#exchange?.judgeAgain();
  }

  /** Since when nothing was carried in either direction. */
  quietSinceMs(nowMs: number): number {
    return this.#exchange?.record.quietSinceMs(nowMs) ?? nowMs;
  }

  /** A client that is silent in the middle of its request, while only it can go on, has given up. */
  checkDeadline(nowMs: number): void {
    this.#exchange?.checkDeadline(nowMs);
    if (!this.awaitsBody || this.#exchange?.record.isFedByClient !== true) return;
    if (nowMs - this.#sinceMs >= this.#context.limits.bodyIdleMs) this.#exchange?.onClientLost(BODY_TIMEOUT);
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#sinceMs = this.#context.deadlines.nowMs;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.#isDelivering) this.deliver();
  }

  exchangeOver(): void {
    this.#exchange = undefined;
    this.#state = "finishing";
    this.#input.take();
    this.#consume();
    if (this.response.isSent) this.#release();
    else this.#owner.awaitSent(this);
  }

  abort(reason: AbortReason): void {
    this.#owner.engine.reset(this.#stream, clientResetCode(reason));
    this.#release();
  }

  /** No client of HTTP/2 can switch protocols (RFC 9113 §8.6). */
  tunnelTo(upstream: Socket): void {
    abortSocket(upstream);
    this.abort(UNASKED_TUNNEL);
  }

  #begin(head: RequestHead): void {
    this.#state = "exchanging";
    const exchange = new Exchange(this, head, this.#context);
    this.#exchange = exchange;
    this.#deliverTo(exchange);
    exchange.start((normal) => planNormalized(normal, this.#owner.options));
    this.#settle();
  }

  #handOn(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (this.#input.isEmpty && this.#end === undefined) {
      // What was handed on before the pause has been taken now.
      this.#settle();
      return;
    }
    const isBatch = this.#end !== undefined && !this.#input.isEmpty;
    if (isBatch) exchange.setRequestBatch(true);
    this.#deliverTo(exchange);
    if (isBatch) exchange.setRequestBatch(false);
    this.#settle();
  }

  #deliverTo(exchange: Exchange): void {
    this.#isDelivering = true;
    for (const bytes of this.#input.take()) exchange.requestBody({ bytes, ranges: undefined });
    if (this.#end !== undefined && !exchange.requestEnded) exchange.requestEnd(this.#end.trailers);
    this.#isDelivering = false;
  }

  #settle(): void {
    if (this.#isPaused) this.#hold();
    else this.#consume();
  }

  /** What waits for a slow application closes this stream's window, and not the connection's. */
  #hold(): void {
    if (this.#owedBytes === this.#heldBytes) return;
    this.#owner.engine.hold(this.#stream, this.#owedBytes - this.#heldBytes);
    this.#heldBytes = this.#owedBytes;
  }

  #consume(): void {
    if (this.#owedBytes === 0) return;
    this.#owner.engine.consume(this.#stream, this.#owedBytes);
    this.#owedBytes = 0;
    this.#heldBytes = 0;
    this.#owner.requestFlush();
  }

  #release(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#exchange = undefined;
    this.#owner.engine.release(this.#stream);
    this.#owner.streamOver(this);
    this.#owner.requestFlush();
  }
}

const NO_TRAILERS = { trailers: undefined };
const UNASKED_TUNNEL: AbortReason = {
  kind: "malformed",
  code: "unasked_switch",
  message: "the upstream switched protocols although the request has no Upgrade",
};
