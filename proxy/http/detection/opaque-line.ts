import { type ByteClass, mayBlank } from "./recognition-table.ts";

const SPACE = 0x20;
/** A request line has three words. */
const ENOUGH_WORDS = 3;
const MAX_WORD_CHARS = 16;
/** Python reads 64 KB, WEBrick 2 KB. What has no line ends at all must not be looked at for ever. */
const MAX_LINE_BYTES = 1 << 20;
/**
 * Python reads the numbers with `int`, which takes a sign and underscores. The last byte may begin a blank in UTF-8.
 */
const VERSION = /^HTTP\/[-+_\d]+\.[-+_\d]+[\xc2\xe1-\xe3\xef]?$/i;
/** Where a line may end besides LF: VT, FF, FS, GS, RS, NEL, and the last byte of U+2028 and U+2029. */
const LINE_BREAKS = new Set([0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x85, 0xa8, 0xa9]);

/** How many words the line has by any splitting, at the least and at the most. */
interface WordCounts {
  readonly fewest: number;
  readonly most: number;
}

/**
 * A first line whose first word is no token, and so no method (RFC 9110 §9.1). Python's `wsgiref` and Rack on WEBrick do
 * not look: they serve `{GET /a HTTP/1.1` with its fields. To them a request is exactly three words, of which the last is
 * a version. Which bytes are blanks differs, so words are counted at spaces alone, which gives the fewest, and at
 * everything that any server splits at, which gives the most.
 */
export class OpaqueLine {
  #bytes = 0;
  #fewest: number;
  #most: number;
  #word = "";
  #isSpaceBefore: boolean;
  #isBlankBefore: boolean;
  #isCrBefore = false;

  /** From the first byte that no method has; `before`: what the line had up to there. */
  constructor(before: WordCounts) {
    this.#fewest = before.fewest;
    this.#most = before.most;
    this.#isSpaceBefore = before.fewest === 0;
    this.#isBlankBefore = before.fewest === 0;
  }

  /** `ambiguous`: with this byte some server has read a request line. `stream`: none has, and none will. */
  step(byte: number, kind: ByteClass): "ambiguous" | "stream" | undefined {
    this.#bytes += 1;
    if (this.#bytes > MAX_LINE_BYTES) return "stream";
    if (kind === "lf") return this.#isRequest ? "ambiguous" : "stream";
    if ((this.#isCrBefore || LINE_BREAKS.has(byte)) && this.#isRequest) return "ambiguous";
    this.#isCrBefore = kind === "cr";
    if (mayBlank(kind)) this.#takeBlank(byte, kind);
    else this.#takeWordByte(byte, kind);
    return undefined;
  }

  /** What only some servers split at is a word to the others. */
  #takeBlank(byte: number, kind: ByteClass): void {
    if (byte === SPACE) this.#isSpaceBefore = true;
    else if (this.#isBlankBefore && kind !== "blank" && kind !== "cr") this.#most += 1;
    this.#isBlankBefore = true;
  }

  /** The beginning of a blank in UTF-8 is a word to some, and to others it does not end the line's last one. */
  #takeWordByte(byte: number, kind: ByteClass): void {
    const mayBeBlank = kind === "wide_start" && this.#isBlankBefore;
    if (this.#isBlankBefore) this.#most += 1;
    if (mayBeBlank) return;
    if (this.#isSpaceBefore) this.#fewest += 1;
    if (this.#isBlankBefore) this.#word = "";
    if (this.#word.length <= MAX_WORD_CHARS) this.#word += String.fromCharCode(byte);
    this.#isSpaceBefore = false;
    this.#isBlankBefore = false;
  }

  get #isRequest(): boolean {
    return this.#fewest <= ENOUGH_WORDS && this.#most >= ENOUGH_WORDS && VERSION.test(this.#word);
  }
}
