import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** How much of a body is kept. */
const MAX_BYTES = 65_536;

/** A request's body, kept while it is sent for the first time, in case that no application receives it. */
export class KeptBody {
  readonly #request: IncomingMessage;
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;

  constructor(request: IncomingMessage) {
    this.#request = request;
    request.on("data", (chunk: Buffer) => this.#keep(chunk));
  }

  /** Whether it has arrived and is kept as a whole. Trailers are not. */
  get isReplayable(): boolean {
    const { complete, rawTrailers } = this.#request;
    return this.#chunks !== undefined && complete && rawTrailers.length === 0;
  }

  /** The body, to be sent again. */
  replay(): Readable {
    return Readable.from([Buffer.concat(this.#chunks ?? [])], { objectMode: false });
  }

  #keep(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BYTES) this.#chunks = undefined;
    this.#chunks?.push(chunk);
  }
}
