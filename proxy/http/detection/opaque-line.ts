import { type ByteClass, mayBlank } from "./recognition-table.ts";

const SPACE = 0x20;
/** A request line has three words. */
const ENOUGH_WORDS = 3;
const MAX_WORD_CHARS = 16;
/** Python reads 64 KB, WEBrick 2 KB. A stream without line ends must not be examined for ever. */
const MAX_LINE_BYTES = 1 << 20;
/**
 * Python parses the numbers with `int`, which accepts a sign and underscores. The last byte may begin a blank in UTF-8.
 */
const VERSION = /^HTTP\/[-+_\d]+\.[-+_\d]+[\xc2\xe1-\xe3\xef]?$/i;
/** Where a line may end besides LF: VT, FF, FS, GS, RS, NEL, and the last byte of U+2028 and U+2029. */
const LINE_BREAKS = new Set([0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x85, 0xa8, 0xa9]);

/** The minimum and maximum number of words, over all ways to split the line. */
interface WordCounts {
  readonly fewest: number;
  readonly most: number;
}

/**
 * A first line whose first word is not a token, and so not a method (RFC 9110 §9.1). Python's `wsgiref` and Rack on
 * WEBrick do not check this: they serve `{GET /a HTTP/1.1` with its fields. For them a request line is exactly three
 * words, the last of which is a version. They differ in which bytes are blanks. So words are counted when splitting
 * only at spaces, which gives the minimum, and at every byte at which any server splits, which gives the maximum.
 */
export class OpaqueLine {
  #bytes = 0;
  #fewest: number;
  #most: number;
  #word = "";
  #isSpaceBefore: boolean;
  #isBlankBefore: boolean;
  #isCrBefore = false;

  /** Starts at the first byte that is not allowed in a method. `before`: the counts up to there. */
  constructor(before: WordCounts) {
    this.#fewest = before.fewest;
    this.#most = before.most;
    this.#isSpaceBefore = before.fewest === 0;
    this.#isBlankBefore = before.fewest === 0;
  }

  /** `ambiguous`: with this byte some server has read a request line. `stream`: no server has or will. */
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

  /** Bytes at which only some servers split are part of a word to the others. */
  #takeBlank(byte: number, kind: ByteClass): void {
    if (byte === SPACE) this.#isSpaceBefore = true;
    else if (this.#isBlankBefore && kind !== "blank" && kind !== "cr") this.#most += 1;
    this.#isBlankBefore = true;
  }

  /**
   * The first byte of a UTF-8 blank is part of a word to some servers; to others it does not end the line's last word.
   */
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
