import { keepMemory } from "../../connections/memory/read-memory.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { UpstreamStream } from "../upstream/upstream-stream.ts";

/**
 * The part of a request's body that has arrived: waiting for its connection, or kept for a retry. Holds the pieces
 * without copying them. What may be sent again is not freed when it is written.
 */
export class HeldBody {
  #maxBytes = 0;
  #pieces: BodyPiece[] = [];
  #bytes = 0;
  #sent = 0;
  #isComplete = true;
  /** Set once the whole body has arrived. */
  #end: { readonly trailers: Trailers | undefined } | undefined;

  /** Keeps at most this much of what has been sent; by default nothing. */
  keepUpTo(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Whether everything that was sent can be sent again. */
  get isReplayable(): boolean {
    return this.#isComplete;
  }

  add(piece: BodyPiece): void {
    this.#pieces.push(piece);
    this.#bytes += piece.bytes.length;
  }

  /** Records a piece that was sent directly. */
  passed(piece: BodyPiece): void {
    if (!this.#isComplete) return;
    if (this.#bytes + piece.bytes.length > this.#maxBytes) {
      this.#drop();
      return;
    }
    this.add(piece);
    keepMemory(piece.bytes);
    this.#sent = this.#pieces.length;
  }

  /** No more follows. */
  end(trailers: Trailers | undefined): void {
    this.#end = { trailers };
  }

  /** Sends what has not been sent, on a stream whose head is sent, and the end if it has come. */
  sendTo(stream: Pick<UpstreamStream, "sendBody" | "sendEnd">): void {
    for (const piece of this.takeUnsent()) stream.sendBody(piece);
    if (this.#end !== undefined) stream.sendEnd(this.#end.trailers);
  }

  /** Takes what has not been sent; it then counts as sent. */
  takeUnsent(): readonly BodyPiece[] {
    const unsent = this.#pieces.slice(this.#sent);
    this.#sent = this.#pieces.length;
    if (unsent.length > 0 && this.#bytes > this.#maxBytes) this.#drop();
    else for (const { bytes } of unsent) keepMemory(bytes);
    return unsent;
  }

  /** Forgets what was sent: there will be no retry. */
  release(): void {
    this.#maxBytes = 0;
    this.#drop();
  }

  /** Marks everything as unsent. */
  rewind(): void {
    this.#sent = 0;
  }

  #drop(): void {
    this.#isComplete = false;
    this.#pieces = [];
    this.#bytes = 0;
    this.#sent = 0;
  }
}
