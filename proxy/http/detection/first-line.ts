import { OpaqueLine } from "./opaque-line.ts";
import { type ByteClass, beginsKnownMethod, classOf, KNOWN_METHODS, mayBlank } from "./recognition-table.ts";

/**
 * `plain`: so far the beginning of a well-formed request line; `text`: not that, but still possibly a request;
 * `opaque`: it has no method, but some servers may still read the whole line as a request.
 */
export type LineVerdict = "plain" | "text" | "opaque" | "http" | "stream" | "ambiguous";

const MAX_METHOD_BYTES = 32;
/** The framer's own limit: it refuses a known method with a longer path. */
const MAX_TARGET_BYTES = 16_384;
const MAX_WORD_CHARS = 16;
const WIDE_BLANK_BYTES = 3;

/** A client's first line, split as any lenient server would split it. Each byte is examined once. */
export class FirstLine {
  #part: "start" | "method" | "rest" | "opaque" | "over" = "start";
  #opaque: OpaqueLine | undefined;
  #isPlain = true;
  /** Whether the method contains, or is followed by, a byte that only some servers split at or drop. */
  #isOdd = false;
  /** Whether the first word could be a method. */
  #isToken = true;
  /** Whether the line begins with bytes that only some servers skip. */
  #startsOdd = false;
  #method = "";
  #words = 1;
  #target = "";
  #targetBytes = 0;
  #word = "";
  #lastWord = "";
  #isFirstWord = true;
  #previous: ByteClass = "lf";
  #previousByte = 0;
  /** `named`: a word begins with `HTTP/`; `spaced`: a blank followed it, so another word would be the last one. */
  #version: "none" | "named" | "spaced" = "none";
  #wideLeft = 0;
  #bytesBefore = 0;

  /** Whether it is so far the beginning of a request with a known method. */
  get mayBeKnownMethod(): boolean {
    if (!this.#isPlain || this.#method === "") return false;
    return this.#part === "method" ? beginsKnownMethod(this.#method) : this.#isKnown;
  }

  /** Whether a server that read this as the complete line would see a request. */
  get wouldBeRequest(): boolean {
    return this.#part === "rest" && (this.#version !== "none" || this.#isHttp09);
  }

  /** How many bytes of the last chunk came before a final verdict, and before the line became opaque. */
  get bytesBefore(): number {
    return this.#bytesBefore;
  }

  push(chunk: Buffer): LineVerdict {
    this.#bytesBefore = this.#part === "opaque" ? 0 : chunk.length;
    for (let at = 0; at < chunk.length && this.#part !== "over"; at += 1) {
      const verdict = this.#step(chunk[at] ?? 0);
      if (verdict === "text") return verdict;
      if (verdict !== undefined || this.#part === "opaque") this.#bytesBefore = Math.min(this.#bytesBefore, at);
      if (verdict !== undefined) return verdict;
    }
    if (this.#part === "opaque") return "opaque";
    return this.#isPlain ? "plain" : "text";
  }

  #step(byte: number): LineVerdict | undefined {
    const kind = classOf(byte);
    const verdict = this.#stepPart(byte, kind);
    this.#previous = kind;
    this.#previousByte = byte;
    return verdict;
  }

  #stepPart(byte: number, kind: ByteClass): LineVerdict | undefined {
    switch (this.#part) {
      case "start":
        return this.#stepStart(byte, kind);
      case "method":
        return this.#stepMethod(byte, kind);
      case "rest":
        return this.#stepRest(byte, kind);
      case "opaque":
        return this.#opaque?.step(byte, kind);
      case "over":
        return undefined;
    }
  }

  /** Some servers skip blanks and empty lines before a request. */
  #stepStart(byte: number, kind: ByteClass): LineVerdict | undefined {
    if (kind === "token") {
      this.#part = "method";
      return this.#stepMethod(byte, kind);
    }
    if (kind === "lf" || kind === "cr") return undefined;
    this.#isPlain = false;
    if (kind === "wide_start") {
      this.#wideLeft = WIDE_BLANK_BYTES;
      this.#startsOdd = true;
    }
    this.#wideLeft -= 1;
    if (kind === "wide_start" || (kind === "wide_rest" && this.#wideLeft >= 0)) return undefined;
    if (kind === "blank") return undefined;
    if (kind === "odd_blank" || kind === "nul") {
      this.#startsOdd = true;
      return undefined;
    }
    // Bytes that only some servers skip may be words to the others.
    return this.#becomeOpaque(byte, kind, { fewest: 0, most: this.#startsOdd ? 2 : 0 });
  }

  #becomeOpaque(byte: number, kind: ByteClass, before: { fewest: number; most: number }): LineVerdict | undefined {
    this.#part = "opaque";
    this.#isPlain = false;
    this.#opaque = new OpaqueLine(before);
    return this.#opaque.step(byte, kind);
  }

  #stepMethod(byte: number, kind: ByteClass): LineVerdict | undefined {
    const isKnown = this.#isKnown;
    switch (kind) {
      case "token":
      case "visible":
        this.#takeMethodByte(byte, kind);
        return undefined;
      case "blank":
      case "cr":
      case "lf":
        return this.#endMethod(byte, kind);
      case "odd_blank":
        this.#isOdd = true;
        return isKnown ? "ambiguous" : this.#endMethod(byte, kind);
      case "control":
        if (isKnown) return "ambiguous";
        // After a possible blank this is no longer the method.
        return this.#isToken ? this.#becomeOpaque(byte, kind, { fewest: 1, most: this.#maxWords }) : undefined;
      case "nul":
      case "wide_start":
      case "wide_rest":
      case "high":
        this.#isOdd = true;
        this.#isPlain = false;
        if (kind !== "nul") this.#isToken = false;
        this.#readWord(byte, kind);
        return isKnown ? "ambiguous" : undefined;
    }
  }

  #takeMethodByte(byte: number, kind: ByteClass): void {
    if (this.#method.length < MAX_METHOD_BYTES && kind === "token") this.#method += String.fromCharCode(byte);
    else this.#isToken = false;
    this.#isPlain &&= this.#isToken;
    this.#readWord(byte, kind);
  }

  #endMethod(byte: number, kind: ByteClass): LineVerdict | undefined {
    this.#part = "rest";
    if (byte !== SPACE) this.#isPlain = false;
    return this.#stepRest(byte, kind);
  }

  #stepRest(byte: number, kind: ByteClass): LineVerdict | undefined {
    if (kind === "lf") return this.#judgeLine();
    if (this.#version !== "none" && this.#endsLineForSome(byte, kind)) return "ambiguous";
    if (byte === SPACE && this.#version === "named") this.#version = "spaced";
    this.#readWord(byte, kind);
    this.#isPlain &&= this.#staysPlain(byte, kind);
    if (kind === "cr" && this.#version !== "none" && !this.#isPlain) return this.#request();
    return this.#targetBytes > MAX_TARGET_BYTES && this.#isHttp09 ? this.#request() : undefined;
  }

  /** Tracks the words of the line, split at every byte at which any server splits. */
  #readWord(byte: number, kind: ByteClass): void {
    if (mayBlank(kind)) {
      this.#word = "";
      this.#isFirstWord = false;
      return;
    }
    if (this.#part === "rest" && mayBlank(this.#previous)) this.#words += 1;
    if (this.#version === "spaced" && kind !== "wide_start") this.#version = "none";
    if (this.#word.length < MAX_WORD_CHARS) this.#word += String.fromCharCode(byte);
    this.#lastWord = this.#word;
    if (this.#word.length === 5 && this.#word.toUpperCase() === "HTTP/" && !this.#isFirstWord) {
      this.#version = "named";
    }
    if (this.#words !== 2) return;
    this.#targetBytes += 1;
    if (this.#target.length < MAX_WORD_CHARS) this.#target += String.fromCharCode(byte);
  }

  /** METHOD SP target SP HTTP/1.1 CR (RFC 9112 §3), as far as it has arrived. */
  #staysPlain(byte: number, kind: ByteClass): boolean {
    if (this.#words > 3 || this.#targetBytes > MAX_TARGET_BYTES) return false;
    if (kind === "cr") return /^HTTP\/\d\.\d$/.test(this.#lastWord);
    if (byte === SPACE) return this.#previous !== "blank" && (this.#words === 1 || this.#words === 2);
    if (kind !== "token" && kind !== "visible") return false;
    return this.#words !== 3 || (this.#previous !== "cr" && /^(?:H|HT|HTT|HTTP|HTTP\/\d?\.?\d?)$/.test(this.#word));
  }

  /** Node, PHP and Python serve a known method and a path without a version, including fields (HTTP/0.9). */
  get #isHttp09(): boolean {
    return this.#isKnown && /^(?:\/|https?:\/\/)/i.test(this.#target);
  }

  #judgeLine(): LineVerdict {
    if (this.#version !== "none") return this.#request();
    // Node's parser serves RTSP and ICE as HTTP, so their fields are watched.
    if (this.#isHttp09 && !(this.#words === 3 && FOREIGN_VERSION.test(this.#lastWord))) return this.#request();
    this.#part = "over";
    this.#isPlain = false;
    return "text";
  }

  #request(): LineVerdict {
    this.#part = "over";
    const isRequest = this.#isKnown || (this.#isToken && this.#words === 3);
    return isRequest && !this.#isOdd ? "http" : "ambiguous";
  }

  /** What may end the line after a version: for Python's `splitlines`, or for servers where a bare CR ends lines. */
  #endsLineForSome(byte: number, kind: ByteClass): boolean {
    if (this.#previous === "cr") return kind !== "cr";
    return LINE_BREAKS.has(byte) || (this.#previousByte === 0x80 && (byte === 0xa8 || byte === 0xa9));
  }

  /** Up to the method's end. Bytes that only some servers skip or split at make further words for the others. */
  get #maxWords(): number {
    return this.#isOdd || this.#startsOdd ? 3 : 1;
  }

  get #isKnown(): boolean {
    return this.#isToken && KNOWN_METHODS.has(this.#method);
  }
}

const SPACE = 0x20;
const FOREIGN_VERSION = /^(?!HTTP\/)[A-Z]{2,8}\/\d\.\d$/;
/** Without LF and CR: VT, FF, FS, GS, RS, NEL. */
const LINE_BREAKS = new Set([0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x85]);
