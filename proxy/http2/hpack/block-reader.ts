import { HpackFault } from "./hpack-fault.ts";
import { HuffmanDecoder, huffmanRoom } from "./huffman-decoder.ts";

/** Longer integers are refused: these reach 2^28, and no string or index of a block of 64 KB needs more. */
const MAX_CONTINUATION_BYTES = 4;

/** The largest buffer that is kept between blocks, for the text of Huffman-coded strings. */
const KEPT_SCRATCH_BYTES = 2048;

const NOTHING = Buffer.alloc(0);

/** Reads the primitive types of RFC 7541 §5 from one block after the other. Throws an HpackFault on a malformed one. */
export class BlockReader {
  #block: Buffer = NOTHING;
  #at = 0;
  /** The whole block as latin1: a part of it costs less than a string of its own. */
  #text: string | undefined;
  #scratch: Buffer = NOTHING;
  readonly #huffman = new HuffmanDecoder();

  open(block: Buffer): void {
    this.#block = block;
    this.#at = 0;
  }

  /** Releases the block. */
  close(): void {
    this.#block = NOTHING;
    this.#text = undefined;
  }

  /** The next octet, or -1 at the block's end. */
  peek(): number {
    return this.#at < this.#block.length ? (this.#block[this.#at] ?? -1) : -1;
  }

  /** An integer with a prefix of that many bits (§5.1). */
  readInteger(prefixBits: number): number {
    const full = (1 << prefixBits) - 1;
    const prefix = this.#next() & full;
    return prefix < full ? prefix : full + this.#readContinuation();
  }

  /** A string that shares memory with the block, for a field that lives as long as its message (§5.2). */
  readText(): string {
    const isHuffman = this.peek() >= 0x80;
    const start = this.#skipString();
    if (isHuffman) return this.#decodeHuffman(start);
    this.#text ??= this.#block.toString("latin1");
    return this.#text.slice(start, this.#at);
  }

  /** A string with memory of its own, for the dynamic table: a short entry must not keep a block of 64 KB. */
  readOwnText(): string {
    const isHuffman = this.peek() >= 0x80;
    const start = this.#skipString();
    return isHuffman ? this.#decodeHuffman(start) : this.#block.toString("latin1", start, this.#at);
  }

  #next(): number {
    const octet = this.peek();
    if (octet < 0) throw new HpackFault("the header block ends inside a field");
    this.#at += 1;
    return octet;
  }

  #readContinuation(): number {
    let value = 0;
    for (let index = 0; index < MAX_CONTINUATION_BYTES; index += 1) {
      const octet = this.#next();
      value += (octet & 0x7f) << (7 * index);
      if (octet < 0x80) return value;
    }
    throw new HpackFault(`an integer has more than ${MAX_CONTINUATION_BYTES} continuation bytes`);
  }

  /** Passes over one string and returns where its octets begin. */
  #skipString(): number {
    const length = this.readInteger(7);
    const start = this.#at;
    if (length > this.#block.length - start) throw new HpackFault("a string is longer than the header block");
    this.#at = start + length;
    return start;
  }

  #decodeHuffman(start: number): string {
    const needed = huffmanRoom(this.#at - start);
    const target = this.#scratchOf(needed);
    return target.toString("latin1", 0, this.#huffman.decode(this.#block, start, this.#at, target));
  }

  #scratchOf(bytes: number): Buffer {
    if (bytes > KEPT_SCRATCH_BYTES) return Buffer.allocUnsafe(bytes);
    if (this.#scratch.length === 0) this.#scratch = Buffer.allocUnsafeSlow(KEPT_SCRATCH_BYTES);
    return this.#scratch;
  }
}
