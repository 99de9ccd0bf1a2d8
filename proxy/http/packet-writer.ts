import type { Socket } from "node:net";
import { mayBeLent, returnMemory, writeLent, writeLentPacket } from "../connections/memory/read-memory.ts";

/** A packet up to this size is joined in one buffer: copying that little costs less than a second buffer. */
const JOINED_BYTES = 4096;

type Piece = string | Buffer;
const NO_PIECES: readonly Piece[] = [];

/**
 * Collects what belongs together and writes it as one packet. Small pieces, such as a head with little content, are
 * joined; larger content is never copied, and its memory is given back when it is written. Most packets have one or two
 * pieces, so no list is made for the first.
 */
export class PacketWriter {
  #first: Piece | undefined;
  #others: Piece[] | undefined;
  #bytes = 0;

  /** Bytes that have been added but not written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param piece a head as latin1 text, or content. */
  add(piece: Piece): void {
    this.#bytes += piece.length;
    if (this.#first === undefined) this.#first = piece;
    else if (this.#others === undefined) this.#others = [piece];
    else this.#others.push(piece);
  }

  /**
   * Writes what has been added. @param packet the same bytes in one buffer, if available.
   * @returns false: the socket wants no more until it has drained.
   */
  flush(socket: Socket, packet?: Buffer): boolean {
    const first = this.#first;
    const bytes = this.#bytes;
    if (first === undefined || bytes === 0) return true;
    const others = this.#others ?? NO_PIECES;
    this.#first = undefined;
    this.#others = undefined;
    this.#bytes = 0;
    if (packet !== undefined) {
      return mayBeLent(packet) ? writeLentPacket(socket, packet, [first, ...others]) : socket.write(packet);
    }
    const isAlone = others.length === 0 && typeof first !== "string";
    if (isAlone || bytes > JOINED_BYTES) return writeLent(socket, [first, ...others]);
    return socket.write(join(first, others, bytes));
  }
}

function join(first: Piece, others: readonly Piece[], bytes: number): Buffer {
  const packet = Buffer.allocUnsafe(bytes);
  let at = put(packet, first, 0);
  for (const piece of others) at = put(packet, piece, at);
  return packet;
}

/** Returns the offset after the piece. */
function put(packet: Buffer, piece: Piece, at: number): number {
  if (typeof piece === "string") return at + packet.write(piece, at, "latin1");
  const end = at + piece.copy(packet, at);
  returnMemory(piece);
  return end;
}
