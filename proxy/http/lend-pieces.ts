import { lendMemory, mayBeLent } from "../connections/memory/read-memory.ts";
import type { FramerEvent } from "../http1/framer-events.ts";

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
