import { NO_RANGES } from "../../messages/body-piece.ts";
import { CR, LF } from "../../messages/byte-tables.ts";
import type { Trailers } from "../../messages/fields.ts";
import { FramingFault } from "../framing-fault.ts";
import { type Http1Limits, limitFault } from "../http1-limits.ts";
import { type BodyScanner, type BodyStep, slice } from "./body-scanner.ts";
import { judgeTrailerLine, parseChunkLine } from "./chunk-lines.ts";
import { parseTrailers } from "./parse-trailers.ts";

/** How far a step has come: an offset into the chunk, and the content before it. */
interface Position {
  readonly at: number;
  readonly ranges: readonly number[] | undefined;
}

/** What comes next: a chunk's size line, its content, the line end after that, or the trailer's lines. */
type Expects = "size" | "content" | "content_end" | "trailer";

/**
 * A chunked body (RFC 9112 §7.1). Content is forwarded as it comes. A line of framing is forwarded, without extensions,
 * when it is complete and valid; until then its few bytes are kept here. The trailer is forwarded completely or not at
 * all. Where content lies between the lines is noted, for a side without chunks.
 */
export class ChunkedScanner implements BodyScanner {
  readonly #limits: Http1Limits;
  #expects: Expects = "size";
  #left = 0;
  #extensionBytes = 0;
  /** The beginning of an incomplete line; in the trailer, all lines so far. */
  #held: Buffer | undefined;
  contentBytes = 0;
  trailers: Trailers | undefined;

  constructor(limits: Http1Limits) {
    this.#limits = limits;
  }

  step(chunk: Buffer, from: number): BodyStep {
    if (this.#held !== undefined) return this.#finishLine(chunk, from);
    if (this.#isInTrailer()) return this.#stepTrailer(chunk, from);
    let at = from;
    let ranges: number[] | undefined;
    try {
      while (at < chunk.length && !this.#isInTrailer()) {
        if (this.#expects === "content") {
          const start = at - from;
          at += this.#takeContent(chunk.length - at);
          ranges = withRange(ranges, start, at - from);
          continue;
        }
        const lineEnd = this.#findLineEnd(chunk, at, 0);
        if (lineEnd < 0) return this.#hold(chunk, from, { at, ranges });
        const plainLine = this.#takeLine(chunk, at, lineEnd);
        if (plainLine !== undefined) return { ...piece(slice(chunk, from, at), ranges, lineEnd - from), plainLine };
        at = lineEnd;
      }
    } catch (caught) {
      // Valid bytes before the fault are forwarded first; the next step finds the fault again.
      if (at === from) throw caught;
    }
    return piece(slice(chunk, from, at), ranges, at - from);
  }

  #isInTrailer(): boolean {
    return this.#expects === "trailer";
  }

  #takeContent(available: number): number {
    const length = Math.min(this.#left, available);
    this.#left -= length;
    this.contentBytes += length;
    if (this.#left === 0) this.#expects = "content_end";
    return length;
  }

  /** The offset after the line's LF; -1 if it has not arrived. @param already bytes of the line before `at`. */
  #findLineEnd(chunk: Buffer, at: number, already: number): number {
    const max = this.#maxLine() - already;
    const lf = chunk.indexOf(LF, at);
    if (lf >= 0 && lf - at < max) return lf + 1;
    if (chunk.length - at >= max) throw this.#tooLong();
    return -1;
  }

  #maxLine(): number {
    switch (this.#expects) {
      case "content_end":
        return 2;
      case "trailer":
        return this.#limits.maxTrailerBytes;
      default:
        return this.#limits.maxChunkLineBytes;
    }
  }

  #tooLong(): FramingFault {
    if (this.#expects === "content_end") return new FramingFault("bad_chunk", "a chunk longer than its size");
    if (this.#expects === "trailer") return trailersTooLarge(this.#limits);
    return limitFault("bad_chunk", "maxChunkLineBytes", this.#limits);
  }

  #hold(chunk: Buffer, from: number, { at, ranges }: Position): BodyStep {
    this.#held = Buffer.from(chunk.subarray(at));
    return piece(slice(chunk, from, at), ranges, chunk.length - from);
  }

  /** The rest of a line that began in an earlier chunk; the line is forwarded by itself. */
  #finishLine(chunk: Buffer, at: number): BodyStep {
    const held = this.#held ?? Buffer.alloc(0);
    if (this.#expects === "trailer") return this.#stepTrailer(chunk, at);
    const lineEnd = this.#findLineEnd(chunk, at, held.length);
    const line = Buffer.concat([held, chunk.subarray(at, lineEnd < 0 ? chunk.length : lineEnd)]);
    if (lineEnd < 0) {
      this.#held = line;
      return piece(undefined, NO_RANGES, chunk.length - at);
    }
    this.#held = undefined;
    return piece(this.#takeLine(line, 0, line.length) ?? line, NO_RANGES, lineEnd - at);
  }

  /** Handles a complete line. @returns what is forwarded instead; `undefined`: the line itself. */
  #takeLine(bytes: Buffer, start: number, end: number): Buffer | undefined {
    if (end - start < 2 || bytes[end - 2] !== CR) {
      throw new FramingFault("bad_chunk", "a line of chunk framing that does not end with CRLF");
    }
    if (this.#expects === "content_end") {
      if (end - start !== 2) throw new FramingFault("bad_chunk", "a chunk longer than its size");
      this.#expects = "size";
      return undefined;
    }
    const { size, extensionBytes } = parseChunkLine(bytes, start, end - 2);
    this.#extensionBytes += extensionBytes;
    if (this.#extensionBytes > this.#limits.maxChunkExtensionBytes) {
      throw limitFault("bad_chunk", "maxChunkExtensionBytes", this.#limits);
    }
    this.#left = size;
    this.#expects = size === 0 ? "trailer" : "content";
    return extensionBytes === 0 ? undefined : Buffer.from(`${size.toString(16)}\r\n`);
  }

  /** Collects the trailer's lines, and forwards them together with its empty line. */
  #stepTrailer(chunk: Buffer, from: number): BodyStep {
    for (let at = from; at < chunk.length; ) {
      const piece = this.#takeTrailerPiece(chunk, at);
      at += piece.length;
      if (!piece.endsTrailer) continue;
      const bytes = this.#held;
      this.#held = undefined;
      this.trailers = bytes && parseTrailers(bytes, this.#limits);
      return { bytes, ranges: NO_RANGES, consumed: at - from, isDone: true };
    }
    return piece(undefined, NO_RANGES, chunk.length - from);
  }

  /** Adds a line, or the beginning of one, to what is held, and judges it when it is complete. */
  #takeTrailerPiece(chunk: Buffer, at: number): { readonly length: number; readonly endsTrailer: boolean } {
    const held = this.#held ?? Buffer.alloc(0);
    const lineStart = held.lastIndexOf(LF) + 1;
    const lineEnd = this.#findLineEnd(chunk, at, held.length - lineStart);
    const piece = chunk.subarray(at, lineEnd < 0 ? chunk.length : lineEnd);
    this.#held = Buffer.concat([held, piece]);
    if (this.#held.length > this.#limits.maxTrailerBytes) throw trailersTooLarge(this.#limits);
    const endsTrailer = lineEnd >= 0 && judgeTrailerLine(this.#held.subarray(lineStart)) === "end";
    return { length: piece.length, endsTrailer };
  }
}

function trailersTooLarge(limits: Http1Limits): FramingFault {
  return limitFault("trailers_too_large", "maxTrailerBytes", limits);
}

function piece(bytes: Buffer | undefined, ranges: readonly number[] | undefined, consumed: number): BodyStep {
  return { bytes, ranges: ranges ?? NO_RANGES, consumed, isDone: false };
}

/** Most pieces have one range; a packet of tiny chunks has thousands. */
function withRange(ranges: number[] | undefined, start: number, end: number): number[] {
  if (ranges === undefined) return [start, end];
  ranges.push(start, end);
  return ranges;
}
