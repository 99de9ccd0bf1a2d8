import { returnMemory } from "../../connections/memory/read-memory.ts";
import { FRAME_HEADER_BYTES } from "./frame-types.ts";

const MIN_SLAB_BYTES = 1024;
const MAX_SLAB_BYTES = 65_536;

/** A payload below this size is copied between the frame headers: cheaper than a buffer of its own. */
const COPIED_BYTES = 4096;

const NOTHING = Buffer.alloc(0);

/**
 * Collects output frames. Small ones stand side by side in one buffer (the slab), large payloads are referenced between
 * pieces of it. A taken buffer is never written again.
 */
export class OutputSlab {
  #buffer = NOTHING;
  /** Where the bytes begin that no taken or finished piece has. */
  #pieceStart = 0;
  #at = 0;
  #frameStart = 0;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #nextSlabBytes = MIN_SLAB_BYTES;

  /** Bytes that wait to be taken. */
  get bytes(): number {
    return this.#pieceBytes + this.#at - this.#pieceStart;
  }

  /** The buffer to write into at `at`, after `reserve`. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  get at(): number {
    return this.#at;
  }

  /** Moves the write position behind what was written into `buffer`. */
  set at(at: number) {
    this.#at = at;
  }

  /** Makes room for that many bytes at `at`. A begun frame moves along; `buffer` and `at` change. */
  reserve(bytes: number): void {
    if (this.#buffer.length - this.#at >= bytes) return;
    const begun = this.#at - this.#frameStart;
    const size = Math.max(this.#nextSlabBytes, 2 * (begun + bytes));
    const slab = Buffer.allocUnsafeSlow(Math.max(size, MIN_SLAB_BYTES));
    this.#buffer.copy(slab, 0, this.#frameStart, this.#at);
    this.#at = this.#frameStart;
    this.#finishPiece();
    this.#nextSlabBytes = Math.min(MAX_SLAB_BYTES, 2 * this.#nextSlabBytes);
    this.#buffer = slab;
    this.#pieceStart = 0;
    this.#frameStart = 0;
    this.#at = begun;
  }

  /** Begins a frame; its payload is written at `at`, then `endFrame` completes it. */
  beginFrame(payloadBytes: number): void {
    this.#frameStart = this.#at;
    this.reserve(FRAME_HEADER_BYTES + payloadBytes);
    this.#at += FRAME_HEADER_BYTES;
  }

  /** The payload bytes of the begun frame. */
  get payloadBytes(): number {
    return this.#at - this.#frameStart - FRAME_HEADER_BYTES;
  }

  /** Completes the begun frame with its header. */
  endFrame(type: number, flags: number, streamId: number): void {
    const length = this.payloadBytes;
    writeFrameHeader(this.#buffer, this.#frameStart, { length, type, flags, streamId });
    this.#frameStart = this.#at;
  }

  /** Appends 32 bits of a frame's payload; room must be reserved. */
  uint32(value: number): void {
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
  }

  /** Writes a whole frame header whose payload follows by `append`. */
  header(header: { readonly length: number; type: number; flags: number; streamId: number }): void {
    this.#frameStart = this.#at;
    this.reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(this.#buffer, this.#at, header);
    this.#at += FRAME_HEADER_BYTES;
    this.#frameStart = this.#at;
  }

  /**
   * Appends bytes of a payload: copied if small, else referenced. They must not change until they are sent, and must not
   * be read again by the caller.
   */
  append(bytes: Buffer): void {
    if (bytes.length < COPIED_BYTES) {
      this.reserve(bytes.length);
      bytes.copy(this.#buffer, this.#at);
      this.#at += bytes.length;
      returnMemory(bytes);
    } else {
      this.#finishPiece();
      this.#pieces.push(bytes);
      this.#pieceBytes += bytes.length;
    }
    this.#frameStart = this.#at;
  }

  /** Hands over all complete bytes, in order. Empty if there are none. */
  take(): Buffer[] {
    const taken = this.bytes;
    this.#finishPiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#nextSlabBytes = Math.min(MAX_SLAB_BYTES, Math.max(MIN_SLAB_BYTES, 4 * taken));
    // What is taken at once should be in one piece, and an idle connection keep no large slab.
    const isAlmostFull = this.#buffer.length - this.#at < taken;
    const isTooLarge = this.#buffer.length > 4 * MIN_SLAB_BYTES && taken < MIN_SLAB_BYTES;
    if (isAlmostFull || isTooLarge) this.#dropSlab();
    return pieces;
  }

  /** Forgets what waits, when the connection is lost. */
  clear(): void {
    this.#dropSlab();
    this.#pieces = [];
    this.#pieceBytes = 0;
  }

  #dropSlab(): void {
    this.#buffer = NOTHING;
    this.#at = 0;
    this.#pieceStart = 0;
    this.#frameStart = 0;
  }

  #finishPiece(): void {
    if (this.#at === this.#pieceStart) return;
    this.#pieces.push(this.#buffer.subarray(this.#pieceStart, this.#at));
    this.#pieceBytes += this.#at - this.#pieceStart;
    this.#pieceStart = this.#at;
  }
}

function writeFrameHeader(
  target: Buffer,
  at: number,
  header: { readonly length: number; readonly type: number; readonly flags: number; readonly streamId: number },
): void {
  const { length, type, flags, streamId } = header;
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  target.writeUInt32BE(streamId, at + 5);
}
