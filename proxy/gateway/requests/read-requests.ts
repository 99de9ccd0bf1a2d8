import type { RequestEvent } from "../../http1/framer-events.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { Http1RequestHead } from "../../http1/message-head.ts";
import { RequestFramer } from "../../http1/request-framer.ts";

/** The request in progress. */
interface CurrentRequest {
  readonly head: Http1RequestHead;
  /** Bytes of its head and its body, including chunk framing. */
  bytes: number;
  isWhole: boolean;
}

/** A client's input: the framer, and the state of the request in progress. Sans-I/O. */
export class ReadRequests {
  readonly framer: RequestFramer;
  /** How many requests have begun. */
  count = 0;
  #current: CurrentRequest | undefined;

  constructor(limits: Http1Limits) {
    this.framer = new RequestFramer(limits);
  }

  get head(): Http1RequestHead | undefined {
    return this.#current?.head;
  }

  /** The received part of the current request. */
  get bytes(): number {
    return this.#current?.bytes ?? 0;
  }

  /** Whether the current request has arrived completely; `undefined`: there is none. */
  get isWhole(): boolean | undefined {
    return this.#current?.isWhole;
  }

  /** Whether it waits for a request of which nothing has arrived. */
  get isEmpty(): boolean {
    return this.#current === undefined && this.framer.bufferedBytes === 0;
  }

  /** Whether the response to the current request is the last. @param hasEnded the client has half-closed. */
  isLast(hasEnded: boolean): boolean {
    const current = this.#current;
    if (current === undefined || !current.isWhole || !current.head.keepAlive) return true;
    return hasEnded && this.framer.bufferedBytes === 0;
  }

  note(event: RequestEvent): void {
    const current = this.#current;
    if (event.kind === "head") {
      const { head } = event;
      this.count += 1;
      this.#current = { head, bytes: head.bytes, isWhole: head.content.kind === "none" };
    } else if (event.kind === "body" && current !== undefined) {
      current.bytes += event.bytes.length;
    } else if (event.kind === "end" && current !== undefined) {
      current.isWhole = true;
    }
  }

  /** The current request has finished. */
  finish(): void {
    this.#current = undefined;
  }
}
