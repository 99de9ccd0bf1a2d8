import { describe, expect, it } from "vitest";
import { decodedPairs, type FieldPair, integer, literal } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";

const AGENT: FieldPair = ["user-agent", "curl/8.5.0"];

function join(...parts: readonly (Buffer | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

describe("a block over a limit", () => {
  const LIMITED = { limits: { maxBlockBytes: 65_536, maxListBytes: 200, maxFields: 3, maxCookieCrumbs: 2 } };
  const CRUMB = literal("plain", ["cookie", "a=b"]);
  it.each([
    { name: "3 fields are kept", block: [0x82, 0x82, 0x82], kind: "fields" },
    { name: "4 fields are not", block: [0x82, 0x82, 0x82, 0x82], kind: "too_large", limit: "more than 3 fields" },
    {
      name: "the crumbs of cookies are not counted as fields",
      block: join(CRUMB, CRUMB, [0x82, 0x82]),
      kind: "fields",
    },
    { name: "3 crumbs are too many", block: join(CRUMB, CRUMB, CRUMB), kind: "too_large", limit: "more than 2 cookie" },
    { name: "200 bytes are kept", block: literal("plain", ["a", "v".repeat(167)]), kind: "fields" },
    {
      name: "201 bytes are not",
      block: literal("plain", ["a", "v".repeat(168)]),
      kind: "too_large",
      limit: "more than 200 bytes of fields",
    },
    {
      name: "a bomb of references to one large entry is not",
      block: join(literal("indexed", ["a", "v".repeat(60)]), Buffer.alloc(60_000, 0xbe)),
      kind: "too_large",
      limit: "more than 200 bytes",
    },
  ])("$name", ({ block, kind, limit }) => {
    const decoded = new HpackDecoder(LIMITED).decode(Buffer.from(block));
    expect(decoded.kind).toBe(kind);
    if (limit !== undefined) expect(decoded).toMatchObject({ message: expect.stringContaining(limit) });
  });

  it("leaves the table as any other block, so that the connection can go on", () => {
    const decoder = new HpackDecoder(LIMITED);
    const block = join(Buffer.alloc(5, 0x82), literal("indexed", AGENT), literal("never", ["b", "c"]));
    expect(decoder.decode(block).kind).toBe("too_large");
    expect(decodedPairs(decoder, integer(0x80, 7, 62))).toEqual([AGENT]);
  });
});
