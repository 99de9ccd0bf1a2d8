import { type FrameHeader, prefixBytes } from "../frames/frame-rules.ts";
import { FLAG, FRAME } from "../frames/frame-types.ts";

/** What one frame of a header block led to. */
export type CollectedBlock =
  | { readonly kind: "incomplete" }
  | { readonly kind: "block"; readonly block: Buffer }
  | { readonly kind: "bad_padding" }
  | { readonly kind: "too_long" };

const INCOMPLETE: CollectedBlock = { kind: "incomplete" };
const BAD_PADDING: CollectedBlock = { kind: "bad_padding" };
const TOO_LONG: CollectedBlock = { kind: "too_long" };

/** Joins HEADERS and CONTINUATION, within limits of bytes and frames (VU#421644, CVE-2024-27983). */
export class HeaderCollector {
  readonly #maxBytes: number;
  readonly #maxFrames: number;
  #fragments: Buffer[] = [];
  #bytes = 0;
  #endsStream = false;

  constructor(options: { readonly maxBytes: number; readonly maxFrames: number }) {
    this.#maxBytes = options.maxBytes;
    this.#maxFrames = options.maxFrames;
  }

  /** Whether the HEADERS frame of the block had END_STREAM. */
  get endsStream(): boolean {
    return this.#endsStream;
  }

  /** Bytes that wait for the rest of their block. */
  get bufferedBytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a HEADERS or CONTINUATION frame, whose payload is `buffer[start..end)`. The block is a view of `buffer` if it
   * is whole. Priority fields are ignored (RFC 9113 §5.3.2).
   */
  add(header: FrameHeader, buffer: Buffer, start: number, end: number): CollectedBlock {
    const { type, flags } = header;
    let from = start;
    let to = end;
    if (type === FRAME.headers) {
      this.#endsStream = (flags & FLAG.endStream) !== 0;
      from += prefixBytes(flags);
      if ((flags & FLAG.padded) !== 0) to -= buffer[start] ?? 0;
      if (to < from) return BAD_PADDING;
    }
    if (this.#bytes + to - from > this.#maxBytes) return this.#refuse();
    const isComplete = (flags & FLAG.endHeaders) !== 0;
    if (isComplete && this.#fragments.length === 0) return { kind: "block", block: buffer.subarray(from, to) };
    if (this.#fragments.length >= this.#maxFrames) return this.#refuse();
    this.#fragments.push(Buffer.from(buffer.subarray(from, to)));
    this.#bytes += to - from;
    if (!isComplete) return INCOMPLETE;
    const block = Buffer.concat(this.#fragments, this.#bytes);
    this.clear();
    return { kind: "block", block };
  }

  /** Forgets an incomplete block. */
  clear(): void {
    this.#fragments = [];
    this.#bytes = 0;
  }

  #refuse(): CollectedBlock {
    this.clear();
    return TOO_LONG;
  }
}
