import type { RequestEvent } from "../../http1/framer-events.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import { RequestFramer } from "../../http1/request-framer.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { lendPieces } from "../lend-pieces.ts";
import type { RequestFault } from "./downstream-options.ts";

/** Handles the requests that are read. */
export interface RequestHandlers {
  /** Whether the next request may be handled now. */
  readonly takesNext: boolean;
  /** The exchange in progress. */
  readonly exchange: Pick<Exchange, "setRequestBatch" | "requestBody" | "requestEnd"> | undefined;
  /** Begins an exchange. */
  beginRequest(head: RequestHead): void;
  /** Everything that arrived with the head has been delivered to the exchange. */
  startRequest(): void;
  refuseRequest(fault: RequestFault): void;
  /** Everything that may be handled now has been. */
  settleReading(): void;
}

/** The bytes of an HTTP/1.1 client, as requests that are handled one at a time. The next ones are held meanwhile. */
export class Http1Input {
  readonly #framer: RequestFramer;
  readonly #handlers: RequestHandlers;
  #isHandling = false;
  #mayContinue = true;
  /** The client has ended its side. */
  hasEnded = false;

  constructor(limits: Http1Limits, handlers: RequestHandlers) {
    this.#framer = new RequestFramer(limits);
    this.#handlers = handlers;
  }

  /** No part of a head, and nothing after a request that is still in progress. */
  get holdsNothing(): boolean {
    return this.#framer.bufferedBytes === 0;
  }

  /** Whether the client sends no request after the one in progress. */
  get isLast(): boolean {
    return !this.#mayContinue || (this.hasEnded && this.holdsNothing);
  }

  push(chunk: Buffer): void {
    const events = this.#framer.push(chunk);
    // What is held of the next request is a view.
    if (this.holdsNothing) lendPieces(chunk, events);
    this.#handle(events);
  }

  /** Handles what is held. Does nothing while events are being handled: that loop continues with it. */
  continue(): void {
    if (!this.#isHandling) this.#handle(this.#next());
  }

  /** What is wrong with input that ends here. */
  end(): RequestFault | undefined {
    return this.#framer.end().find((event) => event.kind === "fault")?.fault;
  }

  /** What has been read after the last request. */
  takeRest(): Buffer {
    return this.#framer.takeRest();
  }

  /** Handles events, and then held bytes as long as responses are immediate. */
  #handle(first: readonly RequestEvent[]): void {
    this.#isHandling = true;
    for (let events = first; events.length > 0; events = this.#next()) this.#deliver(events);
    this.#isHandling = false;
    this.#handlers.settleReading();
  }

  /** What arrived in one packet leaves in one: a request is started when its whole packet has been parsed. */
  #deliver(events: readonly RequestEvent[]): void {
    const underWay = events.length > 1 ? this.#handlers.exchange : undefined;
    underWay?.setRequestBatch(true);
    let hasHead = false;
    for (const event of events) {
      if (event.kind === "head") hasHead = true;
      this.#deliverOne(event);
    }
    underWay?.setRequestBatch(false);
    if (hasHead) this.#handlers.startRequest();
  }

  #deliverOne(event: RequestEvent): void {
    switch (event.kind) {
      case "head":
        this.#mayContinue = event.head.keepAlive;
        this.#handlers.beginRequest(event.head);
        break;
      case "body":
        this.#handlers.exchange?.requestBody(event);
        break;
      case "end":
        this.#handlers.exchange?.requestEnd(event.trailers);
        break;
      case "fault":
        this.#handlers.refuseRequest(event.fault);
        break;
    }
  }

  #next(): readonly RequestEvent[] {
    return this.#handlers.takesNext ? this.#framer.next() : [];
  }
}
