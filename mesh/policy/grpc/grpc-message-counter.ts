/** A flag and a length of four bytes, big endian (gRPC over HTTP2, "Length-Prefixed-Message"). */
const PREFIX_BYTES = 5;

/**
 * Counts the messages in one direction of a call. A message counts when its first byte arrives, as in Envoy, so one that
 * is cut off counts, too. Nothing is buffered; the pieces may be cut anywhere.
 */
export class GrpcMessageCounter {
  /** Bytes of the prefix that have arrived; PREFIX_BYTES while the message itself arrives. */
  #prefixed = 0;
  /** The message's length, as far as the prefix has arrived, then what is still missing. Up to 2^32-1. */
  #missing = 0;

  /** @returns how many messages begin in this piece */
  push(piece: Uint8Array): number {
    let begun = 0;
    let at = 0;
    while (at < piece.length) {
      if (this.#prefixed === PREFIX_BYTES) {
        const step = Math.min(this.#missing, piece.length - at);
        at += step;
        this.#missing -= step;
      } else {
        if (this.#prefixed === 0) begun += 1;
        else this.#missing = this.#missing * 256 + (piece[at] ?? 0);
        this.#prefixed += 1;
        at += 1;
      }
      if (this.#prefixed === PREFIX_BYTES && this.#missing === 0) this.#prefixed = 0;
    }
    return begun;
  }
}
