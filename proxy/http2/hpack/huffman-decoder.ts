import { HpackFault } from "./hpack-fault.ts";
import { CODE_BITS, CODES, END_OF_STRING, MAX_CODE_BITS } from "./huffman-code.ts";

/** How many bits are looked up in one step: two letters or digits, whose codes have 5 to 7 bits, or one rarer one. */
const STEP_BITS = 12;

/**
 * For each value of the next STEP_BITS bits, what they begin with: one symbol in the lowest octet, or a second one in
 * the next octet; then the bits of their codes, and how many symbols. 0 where the code is longer.
 */
const STEPS = createSteps();

/** The symbols in the order of their codes, and for each length the first code, its place in the order, and the count. */
const SYMBOLS = CODES.map((_, symbol) => symbol).sort((one, other) => lengthOf(one) - lengthOf(other) || one - other);
const COUNT = Array.from({ length: MAX_CODE_BITS + 1 }, (_, bits) => CODE_BITS.filter((own) => own === bits).length);
const FIRST_PLACE = COUNT.map((_, bits) => CODE_BITS.filter((own) => own < bits).length);
const FIRST_CODE = FIRST_PLACE.map((place, bits) => (COUNT[bits] === 0 ? 0 : (CODES[SYMBOLS[place] ?? 0] ?? 0)));

const NOTHING = Buffer.alloc(0);

const BAD_PADDING = "the padding of a Huffman-coded string is not up to 7 one bits";

function lengthOf(symbol: number): number {
  return CODE_BITS[symbol] ?? 0;
}

function createSteps(): Uint32Array {
  const steps = new Uint32Array(1 << STEP_BITS);
  const short = CODE_BITS.map((bits, symbol) => ({ bits, symbol, code: CODES[symbol] ?? 0 })).filter(
    ({ bits }) => bits <= STEP_BITS,
  );
  const fill = (code: number, bits: number, step: number): void => {
    const free = STEP_BITS - bits;
    steps.fill((bits << 16) | step, code << free, (code + 1) << free);
  };
  for (const first of short) {
    fill(first.code, first.bits, (1 << 24) | first.symbol);
    for (const second of short) {
      const bits = first.bits + second.bits;
      if (bits > STEP_BITS) continue;
      fill((first.code << second.bits) | second.code, bits, (2 << 24) | (second.symbol << 8) | first.symbol);
    }
  }
  return steps;
}

/** The octets that a target needs: the shortest code has five bits, and a step writes two octets. */
export function huffmanRoom(bytes: number): number {
  return Math.floor((bytes * 8) / 5) + 2;
}

/** Decodes strings in Huffman form (RFC 7541 §5.2), one after the other. */
export class HuffmanDecoder {
  #source: Buffer = NOTHING;
  #target: Buffer = NOTHING;
  #endByte = 0;
  #bit = 0;
  #written = 0;

  /**
   * Decodes `source` from `start` to `end` into `target`, from its begin, and returns the length. `target` must have
   * `huffmanRoom` octets. Throws an HpackFault on the symbol for the end of the string, and on padding that is longer
   * than 7 bits or not the begin of that symbol.
   */
  decode(source: Buffer, start: number, end: number, target: Buffer): number {
    this.#source = source;
    this.#target = target;
    this.#endByte = end;
    this.#bit = start * 8;
    this.#written = 0;
    for (;;) {
      this.#decodeSteps();
      if (this.#isAtPadding()) break;
      const symbol = this.#decodeLongCode();
      target[this.#written] = symbol;
      this.#written += 1;
      this.#bit += lengthOf(symbol);
    }
    this.#source = NOTHING;
    this.#target = NOTHING;
    return this.#written;
  }

  /**
   * Decodes up to the next long code, or to the end. Behind the end there are ones. No short code has only ones, so
   * whatever was decoded across the end was not padding.
   */
  #decodeSteps(): void {
    const source = this.#source;
    const target = this.#target;
    const end = this.#endByte;
    // The bits not yet decoded are the lowest `count` ones of `window`; the next octet is at `at`.
    let at = (this.#bit >> 3) + 1;
    let window = at <= end ? (source[at - 1] ?? 0) : 0xff;
    let count = 8 - (this.#bit & 7);
    let written = this.#written;
    for (;;) {
      if (count < STEP_BITS) {
        const next = at + 2 <= end ? ((source[at] ?? 0) << 8) | (source[at + 1] ?? 0) : lastOctets(source, at, end);
        window = (window << 16) | next;
        at += 2;
        count += 16;
      }
      const step = STEPS[(window >>> (count - STEP_BITS)) & ((1 << STEP_BITS) - 1)] ?? 0;
      if (step === 0) break;
      target[written] = step & 0xff;
      target[written + 1] = (step >> 8) & 0xff;
      written += step >> 24;
      count -= (step >> 16) & 0xff;
    }
    this.#written = written;
    this.#bit = at * 8 - count;
  }

  /** Whether only padding is left: up to 7 one bits, or nothing. */
  #isAtPadding(): boolean {
    const left = this.#endByte * 8 - this.#bit;
    if (left < 0) throw new HpackFault(BAD_PADDING);
    if (left === 0) return true;
    const ones = (1 << left) - 1;
    return left < 8 && ((this.#source[this.#endByte - 1] ?? 0) & ones) === ones;
  }

  /** Decodes one symbol bit by bit. Those with long codes are rare. */
  #decodeLongCode(): number {
    const available = Math.min(this.#endByte * 8 - this.#bit, MAX_CODE_BITS);
    let code = 0;
    for (let bits = 1; bits <= available; bits += 1) {
      const at = this.#bit + bits - 1;
      code = (code << 1) | (((this.#source[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
      const place = code - (FIRST_CODE[bits] ?? 0);
      if (place < 0 || place >= (COUNT[bits] ?? 0)) continue;
      const symbol = SYMBOLS[(FIRST_PLACE[bits] ?? 0) + place] ?? END_OF_STRING;
      if (symbol === END_OF_STRING) throw new HpackFault("a Huffman-coded string contains the end-of-string symbol");
      return symbol;
    }
    throw new HpackFault(BAD_PADDING);
  }
}

/** The two octets at `at`, where the source ends. */
function lastOctets(source: Buffer, at: number, end: number): number {
  return at < end ? ((source[at] ?? 0) << 8) | 0xff : 0xffff;
}
