import { CODE_BITS, CODES } from "./huffman-code.ts";

/** The Huffman form of a latin1 text (RFC 7541 §5.2), padded with ones. */
export function huffmanBytes(text: string): Buffer {
  return padBits([...Buffer.from(text, "latin1")].map(codeBits).join(""));
}

/** The code of one symbol in ones and zeroes. */
export function codeBits(symbol: number): string {
  return (CODES[symbol] ?? 0).toString(2).padStart(CODE_BITS[symbol] ?? 0, "0");
}

/** Ones and zeroes as octets; the last is filled with ones. */
export function padBits(bits: string): Buffer {
  const octets = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1").match(/.{8}/g) ?? [];
  return Buffer.from(octets.map((octet) => Number.parseInt(octet, 2)));
}
