import type { Socket } from "node:net";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { addEnd, addPiece, type BodyCoding, decideCoding } from "../../http1/writing/body-coding.ts";
import { formatLocalReply } from "../../http1/writing/format-local-reply.ts";
import { formatResponseHead, type ResponseEdits } from "../../http1/writing/format-response-head.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { HttpVersion } from "../../messages/http-version.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { ClientResponse } from "../exchange/exchange-client.ts";
import { PacketWriter } from "../packet-writer.ts";

/** The client's connection. */
export interface ResponseOwner {
  /** Whether the response to the request in progress is the connection's last. */
  isLast(): boolean;
}

/** The properties of a request that determine its response's form. */
export type RespondedRequest = Pick<RequestHead, "method" | "version">;

const UNREAD: RespondedRequest = { method: "GET", version: "1.1" };

/**
 * Writes the responses of an HTTP/1.1 connection, one after another. What came from the server in one packet leaves in
 * one; a packet without changes is forwarded as it came.
 */
export class Http1Response implements ClientResponse {
  readonly #socket: Socket;
  readonly #owner: ResponseOwner;
  readonly #out = new PacketWriter();
  #version: HttpVersion = "1.1";
  #isHead = false;
  #isBatch = false;
  #packet: Buffer | undefined;
  #isUnchanged = false;
  #coding: BodyCoding = "as_it_came";
  #closes = false;
  #bytes = 0;

  constructor(socket: Socket, owner: ResponseOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** The response to the next request. Nothing of a request or a response is kept between two of them. */
  begin({ method, version }: RespondedRequest): void {
    this.#version = version;
    this.#isHead = method === "HEAD";
    this.#isBatch = false;
    this.#packet = undefined;
    this.#isUnchanged = false;
    this.#closes = false;
    this.#bytes = 0;
  }

  /** Refuses a request that could not be read; the response is the last. */
  refuse(reply: LocalReply): void {
    this.begin(UNREAD);
    this.sendReply(reply);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the response says that the connection closes after it, or ends by closing it. */
  get closes(): boolean {
    return this.#closes;
  }

  startPacket(packet: Buffer | undefined): void {
    this.#isBatch = true;
    this.#packet = packet;
  }

  endPacket(): boolean {
    const hasRoom = this.flush();
    this.#isBatch = false;
    this.#packet = undefined;
    return hasRoom;
  }

  /** An HTTP/1.0 client does not know them. */
  sendInterim(head: ResponseHead): boolean {
    return this.#version === "1.0" || this.#writeHead(head, { close: false });
  }

  sendHead(head: ResponseHead, headers: FoldedHeaders | undefined): boolean {
    const { content, status } = head;
    const coding = decideCoding(content, this.#version);
    const endsByClose = content.kind === "unknown" && (content.endsBy === "close" || coding === "content");
    const close = status !== 101 && (endsByClose || this.#owner.isLast());
    this.#coding = coding;
    this.#closes = close;
    const keepsAlive = this.#version === "1.0";
    return this.#writeHead(head, { close, keepsAlive, isHead: this.#isHead, coding, headers });
  }

  sendBody(piece: BodyPiece): boolean {
    addPiece(this, piece, this.#coding);
    return this.#settle();
  }

  sendEnd(trailers: Trailers | undefined): void {
    addEnd(this, trailers, this.#coding);
    this.endPacket();
  }

  sendReply(reply: LocalReply): void {
    this.#closes = this.#owner.isLast();
    const keepsAlive = this.#version === "1.0";
    this.add(formatLocalReply(reply, { close: this.#closes, keepsAlive, isHead: this.#isHead }));
    this.flush();
  }

  /** @param piece text of latin1, or content. */
  add(piece: string | Buffer): void {
    this.#bytes += piece.length;
    this.#out.add(piece);
  }

  /** Writes what has been collected, before any other use of the socket. */
  flush(): boolean {
    if (this.#out.bytes === 0) return true;
    const isWhole = this.#isUnchanged && this.#packet?.length === this.#out.bytes;
    return this.#out.flush(this.#socket, isWhole ? this.#packet : undefined);
  }

  #writeHead(head: ResponseHead, edits: ResponseEdits): boolean {
    const { fields } = head;
    const text = formatResponseHead(head, edits);
    this.#isUnchanged = fields.kind === "text" && fields.isVerbatim && text === fields.text;
    this.add(text);
    return this.#settle();
  }

  #settle(): boolean {
    return this.#isBatch || this.flush();
  }
}
