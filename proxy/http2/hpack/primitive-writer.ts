/** Strings up to this length are written octet by octet, which is cheaper than a call into Node. */
const SHORT_STRING = 24;

/** An integer of up to 28 bits takes at most this many octets beside its prefix. */
const CONTINUATION_BYTES = 4;

/** What a field takes beside its name and value: the first octet, and two lengths, or an index and a length. */
export const FIELD_OVERHEAD_BYTES = 1 + 2 * (1 + CONTINUATION_BYTES);

/** How a field begins (RFC 7541 §6): the high bits of its first octet, and how many low bits belong to an integer. */
export interface Representation {
  readonly pattern: number;
  readonly prefixBits: number;
}

/** Writes an integer (RFC 7541 §5.1). Returns the next offset. */
export function writeInteger(target: Buffer, at: number, representation: Representation, value: number): number {
  const { pattern, prefixBits } = representation;
  const full = (1 << prefixBits) - 1;
  if (value < full) {
    target[at] = pattern | value;
    return at + 1;
  }
  target[at] = pattern | full;
  let next = at + 1;
  let rest = value - full;
  for (; rest >= 0x80; rest >>= 7) {
    target[next] = 0x80 | (rest & 0x7f);
    next += 1;
  }
  target[next] = rest;
  return next + 1;
}

const PLAIN_STRING: Representation = { pattern: 0, prefixBits: 7 };

/** Writes a latin1 string without Huffman coding (RFC 7541 §5.2). Returns the next offset. */
export function writeString(target: Buffer, at: number, text: string): number {
  const start = writeInteger(target, at, PLAIN_STRING, text.length);
  const { length } = text;
  if (length > SHORT_STRING) {
    target.write(text, start, length, "latin1");
  } else {
    for (let index = 0; index < length; index += 1) target[start + index] = text.charCodeAt(index);
  }
  return start + length;
}
