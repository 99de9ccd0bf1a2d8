import { describe, expect, it } from "vitest";
import { CODE_BITS, CODES, END_OF_STRING } from "./huffman-code.ts";
import { codeBits } from "./huffman-fixture.ts";

describe("the Huffman code of RFC 7541, appendix B", () => {
  it("has a code for every octet and one for the end of the string", () => {
    expect(CODE_BITS).toHaveLength(END_OF_STRING + 1);
  });

  it("is complete: every sequence of bits is the begin of codes", () => {
    expect(CODE_BITS.reduce((sum, bits) => sum + 2 ** -bits, 0)).toBe(1);
  });

  it("is a prefix code: no code begins with another", () => {
    const sorted = CODES.map((_, symbol) => codeBits(symbol)).sort();
    const prefixes = sorted.filter((code, index) => sorted[index + 1]?.startsWith(code));
    expect(prefixes).toEqual([]);
  });

  it.each([
    { symbol: 0x00, code: 0x1ff8, bits: 13 },
    { symbol: 0x01, code: 0x7fffd8, bits: 23 },
    { symbol: 0x09, code: 0xffffea, bits: 24 },
    { symbol: 0x0a, code: 0x3ffffffc, bits: 30 },
    { symbol: 0x20, code: 0x14, bits: 6 },
    { symbol: 0x30, code: 0x0, bits: 5 },
    { symbol: 0x5a, code: 0xfd, bits: 8 },
    { symbol: 0x5c, code: 0x7fff0, bits: 19 },
    { symbol: 0x61, code: 0x3, bits: 5 },
    { symbol: 0x7a, code: 0x7b, bits: 7 },
    { symbol: 0x7f, code: 0xffffffc, bits: 28 },
    { symbol: 0xc7, code: 0x1ffffec, bits: 25 },
    { symbol: 0xf9, code: 0xffffffe, bits: 28 },
    { symbol: 0xff, code: 0x3ffffee, bits: 26 },
    { symbol: END_OF_STRING, code: 0x3fffffff, bits: 30 },
  ])("gives symbol $symbol the code of the appendix", ({ symbol, code, bits }) => {
    expect([CODES[symbol], CODE_BITS[symbol]]).toEqual([code, bits]);
  });
});
