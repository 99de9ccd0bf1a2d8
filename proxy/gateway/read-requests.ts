import type { RequestEvent } from "../http1/framer-events.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { RequestHead } from "../http1/message-head.ts";
import { RequestFramer } from "../http1/request-framer.ts";

/** The request that is being served. */
interface CurrentRequest {
  readonly head: RequestHead;
  /** Of its head and of its body, with chunk framing. */
  bytes: number;
  isWhole: boolean;
}

/** What a client has sent: the framer, and what is known of the request that is being served. Knows no socket. */
export class ReadRequests {
  readonly framer: RequestFramer;
  /** How many requests have begun. */
  count = 0;
  #current: CurrentRequest | undefined;

  constructor(limits: Http1Limits) {
    this.framer = new RequestFramer(limits);
  }

  get head(): RequestHead | undefined {
    return this.#current?.head;
  }

  /** What has come of the current request. */
  get bytes(): number {
    return this.#current?.bytes ?? 0;
  }

  /** Whether all of the current request has come; `undefined`: there is none. */
  get isWhole(): boolean | undefined {
    return this.#current?.isWhole;
  }

  /** Whether a request is waited for of which nothing has come. */
  get isEmpty(): boolean {
    return this.#current === undefined && this.framer.bufferedBytes === 0;
  }

  /** Whether the response to the current request is the last. @param hasEnded the client sends no more. */
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
      this.#current = { head, bytes: head.text.length, isWhole: head.framing.kind === "none" };
    } else if (event.kind === "body" && current !== undefined) {
      current.bytes += event.bytes.length;
    } else if (event.kind === "end" && current !== undefined) {
      current.isWhole = true;
    }
  }

  /** The current request has been answered. */
  finish(): void {
    this.#current = undefined;
  }
}
