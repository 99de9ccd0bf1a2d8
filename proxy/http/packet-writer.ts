import type { Socket } from "node:net";

/** A packet up to this size is joined in one buffer: copying that little costs less than a second buffer. */
const JOINED_BYTES = 4096;

/**
 * Collects what belongs together and writes it as one packet. Small pieces, such as a head with little content, are
 * joined; larger content is never copied.
 */
export class PacketWriter {
  #pieces: (string | Buffer)[] = [];
  #bytes = 0;

  /** Bytes that have been added but not written. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param piece a head as latin1 text, or content. */
  add(piece: string | Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /**
   * Writes what has been added. @param packet the same bytes in one buffer, if available.
   * @returns false: the socket wants no more until it has drained.
   */
  flush(socket: Socket, packet?: Buffer): boolean {
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    if (bytes === 0) return true;
    this.#pieces = [];
    this.#bytes = 0;
    if (packet !== undefined) return socket.write(packet);
    if (bytes <= JOINED_BYTES) return socket.write(join(pieces, bytes));
    if (pieces.length > 1) socket.cork();
    let hasRoom = true;
    for (const piece of pieces)
      hasRoom = typeof piece === "string" ? socket.write(piece, "latin1") : socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    return hasRoom;
  }
}

function join(pieces: readonly (string | Buffer)[], bytes: number): Buffer {
  const [only] = pieces;
  if (pieces.length === 1 && typeof only !== "string" && only !== undefined) return only;
  const packet = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === "string") packet.write(piece, at, "latin1");
    else piece.copy(packet, at);
    at += piece.length;
  }
  return packet;
}
