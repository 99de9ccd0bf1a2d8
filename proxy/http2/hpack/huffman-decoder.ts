import { HpackFault } from "./hpack-fault.ts";
import { CODE_BITS, CODES, END_OF_STRING, MAX_CODE_BITS } from "./huffman-code.ts";

/** A text has at most this many octets for each octet of its Huffman form: the shortest code has five bits. */
export const MAX_HUFFMAN_EXPANSION = 8 / 5;

/** How many bits are looked up in one step. Every letter and digit has a code that is not longer. */
const STEP_BITS = 8;

/** For each value of the next STEP_BITS bits: the length of the code that they begin with, and its symbol. Else 0. */
const STEPS = createSteps();

/** The symbols by length of their code, and of each length the first code and the place of its symbol. */
const SYMBOLS = CODES.map((_, symbol) => symbol).sort((one, other) => lengthOf(one) - lengthOf(other) || one - other);
const FIRST_PLACE = createFirstPlaces();
const FIRST_CODE = FIRST_PLACE.map((place, bits) => (countOf(bits) === 0 ? 0 : (CODES[SYMBOLS[place] ?? 0] ?? 0)));
const COUNT = FIRST_PLACE.map((_, bits) => countOf(bits));

function lengthOf(symbol: number): number {
  return CODE_BITS[symbol] ?? 0;
}

function countOf(bits: number): number {
  return CODE_BITS.filter((length) => length === bits).length;
}

function createFirstPlaces(): readonly number[] {
  const places: number[] = [0];
  for (let bits = 0; bits < MAX_CODE_BITS; bits += 1) places.push((places[bits] ?? 0) + countOf(bits));
  return places;
}

function createSteps(): Uint16Array {
  const steps = new Uint16Array(1 << STEP_BITS);
  for (const [symbol, bits] of CODE_BITS.entries()) {
    if (bits > STEP_BITS) continue;
    const free = STEP_BITS - bits;
    const first = (CODES[symbol] ?? 0) << free;
    steps.fill((bits << 8) | symbol, first, first + (1 << free));
  }
  return steps;
}

/**
 * Decodes the Huffman form in `source` from `start` to `end` into `target`, from its begin, and returns the length.
 * `target` must have room for MAX_HUFFMAN_EXPANSION times as many octets. Throws an HpackFault on the symbol for the
 * end of the string, and on padding that is longer than 7 bits or not the begin of that symbol (RFC 7541 §5.2).
 */
export function decodeHuffman(source: Buffer, start: number, end: number, target: Buffer): number {
  const endBit = end * 8;
  let bit = start * 8;
  let written = 0;
  while (bit < endBit) {
    const step = STEPS[octetAt(source, bit, end)] ?? 0;
    if (step !== 0 && bit + (step >> 8) <= endBit) {
      target[written] = step & 0xff;
      bit += step >> 8;
    } else {
      if (isPadding(source, bit, end)) break;
      const symbol = decodeLongCode(source, bit, end);
      target[written] = symbol;
      bit += lengthOf(symbol);
    }
    written += 1;
  }
  return written;
}

/** The eight bits from `bit` on; behind the end there are ones, as padding has. */
function octetAt(source: Buffer, bit: number, end: number): number {
  const at = bit >> 3;
  const low = at + 1 < end ? (source[at + 1] ?? 0) : 0xff;
  return ((((source[at] ?? 0) << 8) | low) >> (8 - (bit & 7))) & 0xff;
}

function isPadding(source: Buffer, bit: number, end: number): boolean {
  const left = end * 8 - bit;
  return left < 8 && octetAt(source, bit, end) === 0xff;
}

/** Reads bit by bit; such codes are those of rare characters. */
function decodeLongCode(source: Buffer, bit: number, end: number): number {
  const available = Math.min(end * 8 - bit, MAX_CODE_BITS);
  let code = 0;
  for (let bits = 1; bits <= available; bits += 1) {
    const at = bit + bits - 1;
    code = (code << 1) | (((source[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    const place = code - (FIRST_CODE[bits] ?? 0);
    if (place < 0 || place >= (COUNT[bits] ?? 0)) continue;
    const symbol = SYMBOLS[(FIRST_PLACE[bits] ?? 0) + place] ?? END_OF_STRING;
    if (symbol === END_OF_STRING) throw new HpackFault("a Huffman-coded string contains the end-of-string symbol");
    return symbol;
  }
  throw new HpackFault("the padding of a Huffman-coded string is not up to 7 one bits");
}
