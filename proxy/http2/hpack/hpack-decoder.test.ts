import { describe, expect, it } from "vitest";
import { decodedPairs, type FieldPair, integer, literal, stringOf, tableAfter } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HPACK_LIMITS } from "./hpack-limits.ts";
import { codeBits, padBits } from "./huffman-fixture.ts";

const AGENT: FieldPair = ["user-agent", "curl/8.5.0"];
const METHOD = Buffer.from([0x82]);

function join(...parts: readonly (Buffer | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

/** A literal `a` whose value is this Huffman-coded string. */
function huffmanValue(octets: Buffer): Buffer {
  return join([0x00], stringOf("a"), integer(0x80, 7, octets.length), octets);
}

function sizeUpdate(bytes: number): Buffer {
  return integer(0x20, 5, bytes);
}

describe("a malformed header block is a fault", () => {
  const A = codeBits(0x61);
  it.each([
    { name: "index 0", block: [0x80], message: "index 0 is not in the tables" },
    { name: "an index beyond an empty table", block: integer(0x80, 7, 62), message: "index 62 is not in the tables" },
    {
      name: "an index beyond the last entry",
      block: join(literal("indexed", AGENT), integer(0x80, 7, 63)),
      message: "index 63 is not in the tables",
    },
    { name: "a literal whose name has an index beyond", block: [0x0f, 0x2f, 0x00], message: "index 62 is not" },
    { name: "an entry whose name has an index beyond", block: [0x7e, 0x00], message: "index 62 is not" },
    {
      name: "a secret whose name has an index beyond",
      block: [0x1f, 0x2f, 0x00],
      message: "index 62 is not in the tables",
    },
    {
      name: "an integer with five continuation bytes",
      block: [0xff, 0x80, 0x80, 0x80, 0x80, 0x00],
      message: "more than 4 continuation bytes",
    },
    {
      name: "an integer that would overflow 32 bits",
      block: [0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f],
      message: "more than 4 continuation bytes",
    },
    { name: "an integer without its end", block: [0xff, 0x80], message: "ends inside a field" },
    { name: "a literal without its name", block: [0x00], message: "ends inside a field" },
    { name: "a literal without its value", block: join([0x00], stringOf("a")), message: "ends inside a field" },
    { name: "a name longer than the block", block: [0x00, 0x02, 0x61], message: "longer than the header block" },
    {
      name: "a value of 256 MB in a block of 8 bytes",
      block: [0x04, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0x61, 0x61],
      message: "longer than the header block",
    },
    {
      name: "a Huffman-coded value longer than the block",
      block: join([0x04], [0x83], [0x1f]),
      message: "longer than the header block",
    },
    { name: "a size update behind a field", block: join(METHOD, sizeUpdate(0)), message: "a size update behind" },
    {
      name: "three size updates",
      block: join(sizeUpdate(0), sizeUpdate(1), sizeUpdate(2)),
      message: "more than two size updates",
    },
    {
      name: "a size update over the acknowledged limit",
      block: sizeUpdate(4097),
      message: "a size update to 4097 bytes, where at most 4096",
    },
    {
      name: "Huffman padding of a whole octet",
      block: huffmanValue(padBits(`${A}${"1".repeat(11)}`)),
      message: "padding",
    },
    { name: "a Huffman-coded string of padding alone", block: huffmanValue(Buffer.from([0xff])), message: "padding" },
    { name: "Huffman padding of zeroes", block: huffmanValue(padBits(`${A}000`)), message: "padding" },
    { name: "Huffman padding that is not all ones", block: huffmanValue(padBits(`${A}110`)), message: "padding" },
    {
      name: "the end-of-string symbol",
      block: huffmanValue(padBits(`${A}${codeBits(256)}`)),
      message: "end-of-string symbol",
    },
    {
      name: "the end-of-string symbol inside of a string",
      block: huffmanValue(padBits(`${A}${codeBits(256)}${A}`)),
      message: "end-of-string symbol",
    },
    {
      name: "the begin of a long code without its end",
      block: huffmanValue(padBits(codeBits(0x0a).slice(0, 24))),
      message: "padding",
    },
  ])("$name", ({ block, message }) => {
    const decoded = new HpackDecoder().decode(Buffer.from(block));
    expect(decoded).toEqual({ kind: "fault", message: expect.stringContaining(message) });
  });

  it("is one for every later block too, because the tables no longer agree", () => {
    const decoder = new HpackDecoder();
    decoder.decode(Buffer.from([0x80]));
    expect(decoder.decode(METHOD)).toEqual({ kind: "fault", message: "index 0 is not in the tables" });
  });

  it("ends the block also where fields over the limit are no longer kept", () => {
    const decoder = new HpackDecoder({ limits: { ...HPACK_LIMITS, maxFields: 1 } });
    expect(decoder.decode(Buffer.from([0x82, 0x82, 0x82, 0x80]))).toMatchObject({ kind: "fault" });
  });

  it("is a compressed block over the limit", () => {
    const decoder = new HpackDecoder({ limits: { ...HPACK_LIMITS, maxBlockBytes: 3 } });
    expect(decoder.decode(Buffer.alloc(3, 0x82))).toMatchObject({ kind: "fields" });
    expect(decoder.decode(Buffer.alloc(4, 0x82))).toMatchObject({ kind: "fault" });
  });
});

/** Codes of 5 and 12 bits. */
const PADDED_BY_7 = { text: "a#", bits: `${codeBits(0x61)}${codeBits(0x23)}` };

describe("what is well-formed is decoded", () => {
  it.each([
    { name: "an empty block", block: [], fields: [] },
    { name: "an empty name and value", block: [0x00, 0x00, 0x00], fields: [["", ""]] },
    {
      name: "an integer with needless continuation bytes",
      block: [0x04, 0x7f, 0x80, 0x80, 0x00, ...Buffer.from("/".repeat(127))],
      fields: [[":path", "/".repeat(127)]],
    },
    { name: "an empty Huffman-coded value", block: huffmanValue(Buffer.alloc(0)), fields: [["a", ""]] },
    {
      name: "Huffman padding of 7 bits",
      block: huffmanValue(padBits(PADDED_BY_7.bits)),
      fields: [["a", PADDED_BY_7.text]],
    },
    { name: "two size updates", block: join(sizeUpdate(0), sizeUpdate(4096), METHOD), fields: [[":method", "GET"]] },
    { name: "octets over 0x7f", block: literal("plain", ["a", "\xff\x80"]), fields: [["a", "\xff\x80"]] },
  ])("$name", ({ block, fields }) => {
    expect(decodedPairs(new HpackDecoder(), Buffer.from(block))).toEqual(fields);
  });
});

describe("the table", () => {
  it("loses its oldest entries when a new one needs their room", () => {
    const blocks = Array.from({ length: 3 }, (_, index) => literal("indexed", [`name-${index}`, "v".repeat(2000)]));
    expect(tableAfter(blocks).map(([name]) => name)).toEqual(["name-2", "name-1"]);
  });

  it("is empty after an entry that is larger than the table", () => {
    expect(tableAfter([literal("indexed", AGENT), literal("indexed", ["a", "v".repeat(4064)])])).toEqual([]);
    expect(tableAfter([literal("indexed", ["a", "v".repeat(4063)])])).toHaveLength(1);
  });

  it("gives the name of an entry that its own field evicts", () => {
    const first = literal("indexed", ["x-name", "v".repeat(2500)]);
    const second = join(integer(0x40, 6, 62), stringOf("w".repeat(2500)));
    expect(tableAfter([first, second])).toEqual([["x-name", "w".repeat(2500)]]);
  });

  it("is emptied by a size update to 0, and grows again", () => {
    const decoder = new HpackDecoder();
    decoder.decode(literal("indexed", AGENT));
    expect(decodedPairs(decoder, join(sizeUpdate(0), sizeUpdate(4096), literal("indexed", ["b", "c"])))).toEqual([
      ["b", "c"],
    ]);
    expect(decodedPairs(decoder, integer(0x80, 7, 62))).toEqual([["b", "c"]]);
    expect(decoder.decode(integer(0x80, 7, 63))).toMatchObject({ kind: "fault" });
  });

  it("may be larger after a larger limit was acknowledged", () => {
    const decoder = new HpackDecoder();
    decoder.acknowledgeTableBytes(65_536);
    const entries = Array.from({ length: 1000 }, (_, index): FieldPair => [`n${index}`, "v"]);
    decoder.decode(join(sizeUpdate(65_536), ...entries.slice(0, 50).map((entry) => literal("indexed", entry))));
    for (const entry of entries.slice(50)) decoder.decode(literal("indexed", entry));
    expect(decodedPairs(decoder, integer(0x80, 7, 61 + 1000))).toEqual([["n0", "v"]]);
  });

  it("must be resized by the first block after a smaller limit was acknowledged (RFC 9113 §4.3.1)", () => {
    const lowered = (): HpackDecoder => {
      const decoder = new HpackDecoder();
      decoder.acknowledgeTableBytes(100);
      return decoder;
    };
    expect(lowered().decode(METHOD)).toMatchObject({
      kind: "fault",
      message: expect.stringContaining("no size update"),
    });
    expect(lowered().decode(join(sizeUpdate(101), METHOD))).toMatchObject({ kind: "fault" });
    expect(lowered().decode(join(sizeUpdate(100), METHOD))).toMatchObject({ kind: "fields" });
  });

  it("must pass through the smallest of several acknowledged limits (RFC 7541 §4.2)", () => {
    const changed = (last: number): HpackDecoder => {
      const decoder = new HpackDecoder();
      decoder.acknowledgeTableBytes(0);
      decoder.acknowledgeTableBytes(last);
      return decoder;
    };
    expect(changed(8192).decode(join(sizeUpdate(8192), METHOD))).toMatchObject({ kind: "fault" });
    expect(changed(8192).decode(join(sizeUpdate(0), sizeUpdate(8192), METHOD))).toMatchObject({ kind: "fields" });
    expect(changed(100).decode(join(sizeUpdate(100), METHOD))).toMatchObject({ kind: "fault" });
  });
});

it("never-indexed fields are reported by their positions", () => {
  const block = join(METHOD, literal("never", ["a", "b"]), literal("plain", ["c", "d"]), literal("never", ["e", "f"]));
  expect(new HpackDecoder().decode(block)).toMatchObject({ names: [":method", "a", "c", "e"], neverIndexed: [1, 3] });
});

describe("a block that comes again", () => {
  const NEWEST = Buffer.from([0xbe]);

  it("has the same fields, as the same object, while the table does not change", () => {
    const decoder = new HpackDecoder();
    decoder.decode(literal("indexed", AGENT));
    const first = decoder.decode(NEWEST);
    expect(first).toMatchObject({ names: ["user-agent"] });
    expect(decoder.decode(Buffer.from(NEWEST))).toBe(first);
  });

  it("has the fields that its indices have now", () => {
    const decoder = new HpackDecoder();
    for (const field of [AGENT, ["x-b", "2"] as const]) {
      decoder.decode(literal("indexed", field));
      expect(decodedPairs(decoder, NEWEST)).toEqual([field]);
    }
  });

  it("is a fault when its entry is gone, or when a size update is due before it", () => {
    const emptied = new HpackDecoder();
    emptied.decode(literal("indexed", AGENT));
    emptied.decode(NEWEST);
    emptied.decode(sizeUpdate(0));
    expect(emptied.decode(NEWEST).kind).toBe("fault");
    const overdue = new HpackDecoder();
    overdue.decode(METHOD);
    overdue.acknowledgeTableBytes(0);
    expect(overdue.decode(METHOD).kind).toBe("fault");
  });
});
