/** The symbol that marks the end of a string; it must not occur in one (RFC 7541 §5.2). */
export const END_OF_STRING = 256;

/** The longest code, in bits. */
export const MAX_CODE_BITS = 30;

/**
 * How many bits the code of each octet has, and the last one that of END_OF_STRING (RFC 7541, appendix B). The codes
 * follow from the lengths: among those of one length they rise with the symbol, and a longer one follows the shorter.
 */
export const CODE_BITS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28], // controls
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6], // space to /
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10], // 0 to ?
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7], // @ to O
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6], // P to _
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5], // ` to o
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28], // p to DEL
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23], // from 0x80
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25], // from 0xc0
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];

/** The code of each symbol, as a number of `CODE_BITS` bits. */
export const CODES: readonly number[] = assignCodes(CODE_BITS);

function assignCodes(lengths: readonly number[]): readonly number[] {
  const codes = new Array<number>(lengths.length).fill(0);
  let next = 0;
  for (let bits = 1; bits <= MAX_CODE_BITS; bits += 1) {
    next *= 2;
    for (const [symbol, length] of lengths.entries()) {
      if (length !== bits) continue;
      codes[symbol] = next;
      next += 1;
    }
  }
  return codes;
}
