import { MeshError } from "../../../mesh/mesh-error.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import type { Http2ServerConnection } from "../../http2/connection/http2-server-connection.ts";
import type { Http2Stream } from "../../http2/connection/http2-stream.ts";
import { AddedFields } from "../../http2/conversion/added-fields.ts";
import { ResponseFields } from "../../http2/conversion/response-fields.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Field } from "../../messages/field-access.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import { forwardedTrailers } from "../../messages/trailers.ts";
import type { ClientResponse } from "../exchange/exchange-client.ts";
import { takeContent } from "../lend-pieces.ts";
import { formatLocalReply, type RepliedRequest } from "./format-local-reply.ts";

/** Where a response's frames go. */
export interface ResponseTarget<Context> {
  readonly engine: Http2ServerConnection<Context>;
  /** There may be output. */
  requestFlush(): void;
}

/**
 * Writes the response to one request of HTTP/2. END_STREAM goes with the head of a response without content, else with
 * the last content or the trailers, as they come.
 */
export class Http2Response<Context> implements ClientResponse {
  readonly #target: ResponseTarget<Context>;
  readonly #stream: Http2Stream<Context>;
  #request: RepliedRequest | undefined;
  #isBatch = false;
  #hasRoom = true;
  #hasEnded = false;
  #bytes = 0;

  constructor(target: ResponseTarget<Context>, stream: Http2Stream<Context>) {
    this.#target = target;
    this.#stream = stream;
  }

  /** The request that is responded to. */
  begin(request: RepliedRequest): void {
    this.#request = request;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all of it is written to the connection's output. */
  get isSent(): boolean {
    const { local, life } = this.#stream;
    return local === "ended" || life !== "open";
  }

  /** The stream takes content again. */
  noteRoom(): void {
    this.#hasRoom = true;
  }

  startPacket(): void {
    this.#isBatch = true;
  }

  endPacket(): boolean {
    this.#isBatch = false;
    this.#target.requestFlush();
    return this.#hasRoom;
  }

  sendInterim(head: ResponseHead): boolean {
    const fields = new ResponseFields(head, undefined);
    this.#target.engine.sendInterim(this.#stream, head.status, fields);
    this.#bytes += fields.bytes;
    return this.#settle();
  }

  sendHead(head: ResponseHead, headers: FoldedHeaders | undefined): boolean {
    if (head.status === 101) throw new UnaskedSwitch();
    const fields = new ResponseFields(head, headers);
    this.#hasEnded = head.content.kind === "none";
    this.#target.engine.respond(this.#stream, head.status, fields, this.#hasEnded);
    this.#bytes += fields.bytes;
    return this.#settle();
  }

  sendBody(piece: BodyPiece): boolean {
    if (this.#hasEnded) return true;
    const views = takeContent(piece);
    for (const view of views) {
      this.#bytes += view.length;
      this.#hasRoom = this.#target.engine.sendData(this.#stream, view, false);
    }
    return this.#settle();
  }

  sendEnd(trailers: Trailers | undefined): void {
    if (!this.#hasEnded) this.#end(forwardedTrailers(trailers));
    this.#target.requestFlush();
  }

  sendReply(reply: LocalReply): void {
    const { engine } = this.#target;
    const { status, fields, content } = formatLocalReply(reply, this.#request);
    const head = new AddedFields(fields);
    this.#hasEnded = true;
    this.#bytes += head.bytes + content.length;
    engine.respond(this.#stream, status, head, content === "");
    if (content !== "") engine.sendData(this.#stream, Buffer.from(content, "latin1"), true);
    this.#target.requestFlush();
  }

  #end(trailers: readonly Field[]): void {
    const { engine } = this.#target;
    this.#hasEnded = true;
    if (trailers.length === 0) {
      engine.sendData(this.#stream, NO_BYTES, true);
      return;
    }
    const fields = new AddedFields(trailers);
    this.#bytes += fields.bytes;
    engine.sendTrailers(this.#stream, fields);
  }

  #settle(): boolean {
    if (!this.#isBatch) this.#target.requestFlush();
    return this.#hasRoom;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** A server switches protocols although no client of HTTP/2 can ask for it (RFC 9113 §8.6). */
class UnaskedSwitch extends MeshError<"unasked_switch"> {
  constructor() {
    super("unasked_switch", "the upstream sent 101 to a request without Upgrade");
  }
}
