import type { Socket } from "node:net";

/**
 * Smaller reads are left to the garbage collector: to count and free one costs 0.5 µs, and V8 collects 8 KB outside of
 * its heap for 2 µs, but 1 KB for less.
 */
const MIN_COUNTED_BYTES = 8192;

/**
 * How many bytes of a read's memory are handed on and not yet given back. A field that an ArrayBuffer lacks: an entry
 * lives as long as its memory does.
 */
const LENT = new WeakMap<ArrayBufferLike, number>();

/**
 * Counts the memory of one read, so that it is freed as soon as the last byte of it has been written. V8 would free it
 * in a full collection, and makes one for each 12 to 25 MB that were read: most of the CPU of large bodies.
 *
 * Only memory that belongs to this read alone is counted, and each of its bytes may have one reader besides the caller
 * of this function: the one that gives it back. What is never given back is left to the garbage collector; so code that
 * knows nothing of this, or drops bytes, is safe.
 * @param bytes how many of its bytes are handed on. The rest must not be read again.
 */
export function lendMemory(chunk: Buffer, bytes: number): void {
  const { buffer } = chunk;
  if (bytes === 0 || chunk.length < MIN_COUNTED_BYTES || chunk.length !== buffer.byteLength) return;
  // Lent before: who holds the bytes is not known.
  if (LENT.has(buffer)) LENT.delete(buffer);
  else LENT.set(buffer, bytes);
}

/**
 * Gives bytes back that nobody reads again: they were written or copied. @param bytes how many bytes of the view.
 * @default all
 */
export function returnMemory(view: Buffer, bytes: number = view.length): void {
  const { buffer } = view;
  if (bytes === 0 || !mayBeLent(view)) return;
  const lent = LENT.get(buffer);
  if (lent === undefined) return;
  if (lent > bytes) {
    LENT.set(buffer, lent - bytes);
    return;
  }
  LENT.delete(buffer);
  // More than was lent: something has been counted twice, and another part may still be in use.
  if (lent === bytes && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Leaves the view's memory to the garbage collector: the view may be read more than once, as for a retry. */
export function keepMemory(view: Buffer): void {
  if (mayBeLent(view)) LENT.delete(view.buffer);
}

/**
 * Writes pieces as one packet, and gives their memory back when all of it is written. Not before the callback: until
 * then the kernel's queue may read it. A TLS socket has encrypted it by then. After an error nothing is given back.
 * @param pieces latin1 text, or bytes that are written only here.
 * @returns false: the socket wants no more until it has drained.
 */
export function writeLent(socket: Socket, pieces: readonly (string | Buffer)[]): boolean {
  const last = pieces.length - 1;
  const onWritten = pieces.some(isLent) ? returnWhenWritten(pieces) : undefined;
  if (last > 0) socket.cork();
  let hasRoom = true;
  for (let at = 0; at <= last; at += 1) {
    const piece = pieces[at] ?? "";
    const callback = at === last ? onWritten : undefined;
    hasRoom = typeof piece === "string" ? socket.write(piece, "latin1", callback) : socket.write(piece, callback);
  }
  if (last > 0) socket.uncork();
  return hasRoom;
}

/** Writes a packet that holds the pieces' bytes, in the pieces' own memory, and gives that back when it is written. */
export function writeLentPacket(socket: Socket, packet: Buffer, pieces: readonly (string | Buffer)[]): boolean {
  return socket.write(packet, pieces.some(isLent) ? returnWhenWritten(pieces) : undefined);
}

type WriteCallback = (error?: Error | null) => void;

function returnWhenWritten(pieces: readonly (string | Buffer)[]): WriteCallback {
  return (error) => {
    if (error !== undefined && error !== null) return;
    for (const piece of pieces) if (typeof piece !== "string") returnMemory(piece);
  };
}

function isLent(piece: string | Buffer): boolean {
  return typeof piece !== "string" && mayBeLent(piece) && LENT.has(piece.buffer);
}

/** A quick test: false for all small reads. */
export function mayBeLent(view: Buffer): boolean {
  return view.buffer.byteLength >= MIN_COUNTED_BYTES;
}
