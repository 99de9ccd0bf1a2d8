import { lendMemory, mayBeLent, returnMemory } from "../connections/memory/read-memory.ts";
import type { FramerEvent } from "../http1/framer-events.ts";
import type { Http2Event } from "../http2/connection/http2-events.ts";
import { type BodyPiece, contentOf } from "../messages/body-piece.ts";

/**
 * Lends the memory of one read to the pieces of bodies in it; who writes a piece gives its bytes back. Call it before
 * the events are delivered. Nothing else may hold a view of the read: heads are text, and incomplete lines are copies.
 */
export function lendPieces(chunk: Buffer, events: readonly FramerEvent<unknown>[]): void {
  if (!mayBeLent(chunk)) return;
  let bytes = 0;
  for (const event of events) {
    if (event.kind === "body" && event.bytes.buffer === chunk.buffer) bytes += event.bytes.length;
  }
  lendMemory(chunk, bytes);
}

/** The same for the events of one read of HTTP/2. */
export function lendContent<Head, Context>(chunk: Buffer, events: readonly Http2Event<Head, Context>[]): void {
  if (!mayBeLent(chunk)) return;
  let bytes = 0;
  for (const event of events) {
    if (event.kind === "data" && event.bytes.buffer === chunk.buffer) bytes += event.bytes.length;
  }
  lendMemory(chunk, bytes);
}

/** A piece's content, to be written without its framing. */
export function takeContent(piece: BodyPiece): readonly Buffer[] {
  const views = contentOf(piece);
  const length = views.reduce((sum, view) => sum + view.length, 0);
  returnMemory(piece.bytes, piece.bytes.length - length);
  return views;
}
