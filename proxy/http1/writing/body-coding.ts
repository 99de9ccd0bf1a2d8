import { returnMemory } from "../../connections/memory/read-memory.ts";
import { type BodyPiece, contentOf } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { HttpVersion } from "../../messages/http-version.ts";
import type { Content } from "../../messages/message-head.ts";
import { forwardedTrailers } from "../../messages/trailers.ts";
import { formatLines } from "./format-lines.ts";

/**
 * How a body is written:
 * - `as_it_came`: its bytes, which have the framing that the head announces;
 * - `content`: without chunk framing, up to the connection's end;
 * - `chunks`: each piece in a chunk of its own, then the trailers.
 */
export type BodyCoding = "as_it_came" | "content" | "chunks";

/**
 * @param version of the side that receives it: HTTP/1.0 has no chunks.
 * @param editsTrailers whether trailers must not go on as they came.
 */
export function decideCoding(content: Content, version: HttpVersion, editsTrailers = false): BodyCoding {
  if (content.kind !== "unknown" || content.endsBy === "close") return "as_it_came";
  if (version === "1.0") return "content";
  return content.endsBy === "chunks" && !editsTrailers ? "as_it_came" : "chunks";
}

/** Takes what is written, in order. */
export interface PieceTarget {
  /** @param piece text of latin1, or content, which is not copied. */
  add(piece: string | Buffer): void;
}

/** Writes a piece of a body. */
export function addPiece(target: PieceTarget, piece: BodyPiece, coding: BodyCoding): void {
  if (coding === "as_it_came") {
    target.add(piece.bytes);
    return;
  }
  const views = contentOf(piece);
  const length = views.reduce((sum, view) => sum + view.length, 0);
  // The framing is not written.
  returnMemory(piece.bytes, piece.bytes.length - length);
  // A chunk of length 0 would end the body.
  if (length === 0) return;
  if (coding === "chunks") target.add(`${length.toString(16)}\r\n`);
  for (const view of views) target.add(view);
  if (coding === "chunks") target.add("\r\n");
}

/** Writes the end of a body, with its trailers. */
export function addEnd(target: PieceTarget, trailers: Trailers | undefined, coding: BodyCoding): void {
  if (coding === "chunks") target.add(`0\r\n${formatLines(forwardedTrailers(trailers))}\r\n`);
}
