import type { ClientRequest } from "node:http";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { ProxyMetrics } from "../../telemetry/proxy-metrics.ts";
import type { GatewayReply } from "../gateway-reply.ts";
import type { RequestRecord } from "./request-record.ts";

export interface ResponderOptions {
  readonly record: RequestRecord;
  readonly metrics: Pick<ProxyMetrics, "gatewayResponded">;
  /** Whether a response of the upstream has begun. */
  readonly hasBegun: () => boolean;
  readonly write: (reply: LocalReply) => void;
  /** The client must see that the response is incomplete. */
  readonly cut: () => void;
}

/** Gives a request at most one local reply, after which nothing of its upstream is sent. */
export class Responder {
  readonly #options: ResponderOptions;
  #outgoing: ClientRequest | undefined;
  #isOver = false;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** Whether the gateway itself has ended the request. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The request goes to an upstream, maybe not for the first time. */
  readonly sends = (outgoing: ClientRequest): void => {
    this.#outgoing = outgoing;
  };

  /** There is no response of an upstream. */
  reply(own: GatewayReply): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { record, metrics, write } = this.#options;
    const formed = record.answeredBy(own);
    metrics.gatewayResponded("gateway", formed.status, own.reason);
    record.answered(formed.status);
    write(formed);
  }

  /** Ends the request whatever its state: with the reply if no response has begun, else by cutting the connection. */
  readonly end = (own: GatewayReply): void => {
    if (this.#isOver) return;
    const { record, hasBegun, cut } = this.#options;
    if (hasBegun()) {
      this.#isOver = true;
      record.cutBy({ flags: own.flags === "-" ? "DO" : own.flags, details: own.details });
      cut();
    } else {
      this.reply(own);
    }
    this.#outgoing?.destroy();
  };
}
