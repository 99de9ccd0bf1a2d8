import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodedPairs, encodeBlock, type FieldPair, LITERALS, stringOf } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { HPACK_LIMITS } from "./hpack-limits.ts";
import { HuffmanDecoder, huffmanRoom } from "./huffman-decoder.ts";
import { codeBits, huffmanBytes } from "./huffman-fixture.ts";
import { STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

const latin1 = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((octets) => Buffer.from(octets).toString("latin1"));

const knownName = fc.constantFrom(...STATIC_NAMES.slice(1), "x-forwarded-proto", "grpc-status", "te", "x-own");
const value = fc.oneof(
  fc.constantFrom(...STATIC_VALUES, "trailers", "a", "b", "v".repeat(500), "w".repeat(2100), "x".repeat(4096)),
  latin1(60),
);
const field: fc.Arbitrary<FieldPair> = fc.tuple(fc.oneof({ weight: 4, arbitrary: knownName }, latin1(40)), value);

/** One message, and the table size that the peer announces before it. */
const message = fc.record({
  fields: fc.array(field, { maxLength: 12 }),
  sizes: fc.array(fc.constantFrom(0, 64, 200, 1000, 4096, 65_536), { maxLength: 3 }),
});

/** A decoder whose limits do not matter. */
function unlimitedDecoder(): HpackDecoder {
  return new HpackDecoder({
    limits: { maxBlockBytes: 2 ** 24, maxListBytes: 2 ** 24, maxFields: 1e6, maxCookieCrumbs: 1e6 },
  });
}

describe("round trip", () => {
  it("any fields are decoded as they were encoded, through any table sizes and evictions", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
        const encoder = new HpackEncoder();
        const decoder = unlimitedDecoder();
        for (const { fields, sizes } of messages) {
          for (const size of sizes) {
            encoder.setMaxTableBytes(size);
            decoder.acknowledgeTableBytes(size);
          }
          expect(decodedPairs(decoder, encodeBlock(encoder, fields))).toEqual(fields);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("short messages that come again are decoded as the first time, whatever the table has become", () => {
    const short = fc.constantFrom<FieldPair>(
      ["te", "a"],
      ["te", "b"],
      ["server", "w".repeat(2000)],
      [":status", "200"],
    );
    const step = fc.record({ fields: fc.array(short, { maxLength: 3 }), size: fc.constantFrom(undefined, 64, 4096) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = unlimitedDecoder();
        for (const { fields, size } of steps) {
          if (size !== undefined) {
            encoder.setMaxTableBytes(size);
            decoder.acknowledgeTableBytes(size);
          }
          expect(decodedPairs(decoder, encodeBlock(encoder, fields))).toEqual(fields);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("any octets are decoded from their Huffman form", () => {
    fc.assert(
      fc.property(latin1(200), (text) => {
        const source = huffmanBytes(text);
        const target = Buffer.alloc(huffmanRoom(source.length));
        expect(target.toString("latin1", 0, new HuffmanDecoder().decode(source, 0, source.length, target))).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it("every single octet is decoded from its Huffman form", () => {
    const target = Buffer.alloc(10);
    for (let octet = 0; octet < 256; octet += 1) {
      const source = huffmanBytes(String.fromCharCode(octet));
      expect([new HuffmanDecoder().decode(source, 0, source.length, target), target[0]]).toEqual([1, octet]);
    }
  });

  it("a Huffman form is accepted exactly when it is the one that the text has", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.constantFrom(...longCodes())), (octets) => {
        const source = Buffer.from(octets);
        const target = Buffer.alloc(huffmanRoom(source.length));
        let text: string | undefined;
        try {
          text = target.toString("latin1", 0, new HuffmanDecoder().decode(source, 0, source.length, target));
        } catch {
          text = undefined;
        }
        if (text !== undefined) expect(huffmanBytes(text)).toEqual(source);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Octets that begin with each of the long codes, with every padding. */
function longCodes(): readonly Uint8Array[] {
  return [0x0a, 0x0d, 0x16, 0xf9, 0x5c, 256].flatMap((symbol) =>
    ["", "0", "1", "11111111", "00000000"].map((tail) => {
      const bits = codeBits(symbol) + tail;
      return Uint8Array.from(
        (bits.padEnd(Math.ceil(bits.length / 8) * 8, "1").match(/.{8}/g) ?? []).map((o) => Number.parseInt(o, 2)),
      );
    }),
  );
}

const SMALL = { ...HPACK_LIMITS, maxListBytes: 2000, maxFields: 10, maxCookieCrumbs: 5 };

/** Octets that look like HPACK: representations, lengths, sound strings, and noise. */
const hpackLike = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 6 }),
      fc.constantFrom(0x82, 0xbe, 0xbf, 0xff, 0x20, 0x3f, 0x7f, 0x1f, 0x0f, 0x80).map((octet) => Uint8Array.of(octet)),
      fc
        .tuple(fc.constantFrom(...Object.values(LITERALS)), latin1(20), latin1(40), fc.constantFrom("plain", "huffman"))
        .map(([kind, name, text, coding]) =>
          Buffer.concat([Buffer.from([kind]), stringOf(name, coding), stringOf(text, coding)]),
        ),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

describe("arbitrary blocks", () => {
  it("never throw, and give no more than the limits allow", () => {
    fc.assert(
      fc.property(fc.array(hpackLike, { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder({ limits: SMALL });
        for (const block of blocks) {
          const decoded = decoder.decode(block);
          if (decoded.kind !== "fields") continue;
          const bytes = decoded.names.reduce(
            (sum, name, index) => sum + name.length + (decoded.values[index] ?? "").length + 32,
            0,
          );
          expect(bytes).toBeLessThanOrEqual(SMALL.maxListBytes);
          expect(decoded.values).toHaveLength(decoded.names.length);
          expect(decoded.names.filter((name) => name !== "cookie").length).toBeLessThanOrEqual(SMALL.maxFields);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("leave the same table whether their fields were kept or not", () => {
    fc.assert(
      fc.property(fc.array(hpackLike, { maxLength: 5 }), (blocks) => {
        const keeping = unlimitedDecoder();
        const dropping = new HpackDecoder({ limits: { ...HPACK_LIMITS, maxFields: 0, maxCookieCrumbs: 0 } });
        for (const block of blocks) {
          const kept = keeping.decode(block);
          const dropped = dropping.decode(block);
          expect(dropped.kind === "fault").toBe(kept.kind === "fault");
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("do not change what is decoded when their buffer is used again", () => {
    fc.assert(
      fc.property(hpackLike, (block) => {
        const own = Buffer.from(block);
        const decoded = new HpackDecoder().decode(own);
        const before = structuredClone(decoded);
        own.fill(0);
        expect(decoded).toEqual(before);
      }),
    );
  });
});
