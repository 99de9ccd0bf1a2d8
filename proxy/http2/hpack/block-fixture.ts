import { HpackDecoder } from "./hpack-decoder.ts";
import { type HpackEncoder, MAX_BLOCK_PREFIX_BYTES, maxEncodedBytes } from "./hpack-encoder.ts";
import { huffmanBytes } from "./huffman-fixture.ts";
import { writeInteger } from "./primitive-writer.ts";

/** A field of a block: name and value. */
export type FieldPair = readonly [name: string, value: string];

/** An integer of RFC 7541 §5.1 behind a pattern. */
export function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const target = Buffer.alloc(8);
  return target.subarray(0, writeInteger(target, 0, { pattern, prefixBits }, value));
}

/** A string of RFC 7541 §5.2. */
export function stringOf(text: string, coding: "plain" | "huffman" = "plain"): Buffer {
  const octets = coding === "huffman" ? huffmanBytes(text) : Buffer.from(text, "latin1");
  return Buffer.concat([integer(coding === "huffman" ? 0x80 : 0, 7, octets.length), octets]);
}

/** How a literal is represented, by the high bits of its first octet (§6.2). */
export const LITERALS = { indexed: 0x40, plain: 0x00, never: 0x10 } as const;

/** A literal with its own name. */
export function literal(kind: keyof typeof LITERALS, [name, value]: FieldPair): Buffer {
  return Buffer.concat([Buffer.from([LITERALS[kind]]), stringOf(name), stringOf(value)]);
}

/** Decodes a block and returns its fields as pairs; throws when it is not `fields`. */
export function decodedPairs(decoder: HpackDecoder, block: Buffer): readonly FieldPair[] {
  const decoded = decoder.decode(block);
  if (decoded.kind !== "fields") throw new Error(`${decoded.kind}: ${decoded.message}`);
  return decoded.names.map((name, index) => [name, decoded.values[index] ?? ""]);
}

/** The content of the table after those blocks, newest first, found by reading one index after the other. */
export function tableAfter(blocks: readonly Buffer[], acknowledged?: number): readonly FieldPair[] {
  const found: FieldPair[] = [];
  for (;;) {
    const decoder = new HpackDecoder();
    if (acknowledged !== undefined) decoder.acknowledgeTableBytes(acknowledged);
    for (const block of blocks) decoder.decode(block);
    const decoded = decoder.decode(integer(0x80, 7, 62 + found.length));
    if (decoded.kind !== "fields") return found;
    found.push([decoded.names[0] ?? "", decoded.values[0] ?? ""]);
  }
}

/** The size of entries as RFC 7541 §4.1 counts it. */
export function tableBytes(entries: readonly FieldPair[]): number {
  return entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
}

/** Encodes one block into a buffer of its own. */
export function encodeBlock(encoder: HpackEncoder, fields: readonly FieldPair[]): Buffer {
  const room = fields.reduce((sum, field) => sum + maxEncodedBytes(...field), MAX_BLOCK_PREFIX_BYTES);
  const target = Buffer.alloc(room);
  let at = encoder.beginBlock(target, 0);
  for (const [name, value] of fields) at = encoder.encodeField(target, at, name, value);
  return target.subarray(0, at);
}
