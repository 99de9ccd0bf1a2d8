import type { RequestEvent } from "../../http1/framer-events.ts";
import { RequestFramer } from "../../http1/request-framer.ts";
import { isForeignProtocol } from "../detection/recognize-http.ts";

const NOTHING: readonly RequestEvent[] = [];

/**
 * What a client sends, as the events of its requests; before the first of them it is judged whether the client speaks
 * HTTP/1.1 at all. Knows no socket.
 */
export class RequestReader {
  readonly #framer = new RequestFramer();
  #isHttp1 = false;
  /** The first bytes, as long as they may be the beginning of another protocol, or are. */
  #first: Buffer | undefined;

  /** Whether nothing is held: no part of a head, and nothing behind a request that has not been answered. */
  get isEmpty(): boolean {
    return this.#first === undefined && this.#framer.bufferedBytes === 0;
  }

  /** Takes bytes. @returns "foreign": the client speaks another protocol; `takeRest` gives all that it has said. */
  push(chunk: Buffer): readonly RequestEvent[] | "foreign" {
    if (this.#isHttp1) return this.#framer.push(chunk);
    const bytes = this.#first === undefined ? chunk : Buffer.concat([this.#first, chunk]);
    const isForeign = isForeignProtocol(bytes);
    this.#first = isForeign === false ? undefined : bytes;
    if (isForeign === true) return "foreign";
    if (isForeign === undefined) return NOTHING;
    this.#isHttp1 = true;
    return this.#framer.push(bytes);
  }

  /** The request has been answered: goes on with what is held. */
  next(): readonly RequestEvent[] {
    return this.#framer.next();
  }

  /** The client sends no more. Fine between two requests, a fault inside one. */
  end(): readonly RequestEvent[] {
    return this.#framer.end();
  }

  /** Gives away what is held: to whom the connection is given. */
  takeRest(): Buffer {
    return this.#first ?? this.#framer.takeRest();
  }
}
