const LINE_END = 0x0a;

/**
 * Cuts a watch's stream into lines, whatever the chunks are. A line beyond the limit is reported by `tooLong`, and the
 * stream has to be given up.
 */
export class WatchLines {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that this chunk completes, without empty ones. */
  push(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, start)) {
      lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines.filter((line) => line.trim() !== "");
  }

  /** Whether the unfinished line is beyond the limit. */
  get isTooLong(): boolean {
    return this.#size > this.#maxBytes;
  }

  /** Whether the stream stopped inside a line. */
  get isUnfinished(): boolean {
    return this.#size > 0;
  }

  #complete(last: Buffer): string {
    const line = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#size = 0;
    return line.toString("utf8");
  }

  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#size += part.length;
  }
}
