import type { Socket } from "node:net";
import type { ResponseHead } from "../../http1/message-head.ts";
import { type ResponseEdits, rewriteResponseHead } from "../headers/rewrite-head.ts";
import { PacketWriter } from "../packet-writer.ts";

/**
 * Writes one exchange's response to the client. What came from the server in one packet leaves in one; a packet without
 * changes is forwarded as it came. Every call that writes returns whether the client can accept more.
 */
export class ResponseWriter {
  readonly #socket: Socket;
  readonly #outgoing = new PacketWriter();
  #packet: Buffer | undefined;
  #isUnchanged = false;
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Head and body so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything written until `endPacket` came in this packet, and leaves together. */
  startPacket(packet: Buffer): void {
    this.#packet = packet;
  }

  endPacket(): boolean {
    const hasRoom = this.flush();
    this.#packet = undefined;
    return hasRoom;
  }

  writeHead(head: ResponseHead, edits: ResponseEdits): boolean {
    const text = rewriteResponseHead(head, edits);
    this.#isUnchanged = head.isVerbatim && text === head.text;
    return this.write(text);
  }

  /** @param data text of latin1, or content. */
  write(data: string | Buffer): boolean {
    this.#bytes += data.length;
    this.#outgoing.add(data);
    return this.#packet !== undefined || this.flush();
  }

  /** Writes what has been collected, before any other use of the socket. */
  flush(): boolean {
    if (this.#outgoing.bytes === 0) return true;
    const isWhole = this.#isUnchanged && this.#packet?.length === this.#outgoing.bytes;
    return this.#outgoing.flush(this.#socket, isWhole ? this.#packet : undefined);
  }
}
