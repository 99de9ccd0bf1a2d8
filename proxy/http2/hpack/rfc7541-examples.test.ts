import { describe, expect, it } from "vitest";
import { decodedPairs, encodeBlock, type FieldPair, integer, tableAfter, tableBytes } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { huffmanBytes } from "./huffman-fixture.ts";

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

const GET: FieldPair = [":method", "GET"];
const HTTP: FieldPair = [":scheme", "http"];
const ROOT: FieldPair = [":path", "/"];
const AUTHORITY: FieldPair = [":authority", "www.example.com"];
const NO_CACHE: FieldPair = ["cache-control", "no-cache"];
const CUSTOM: FieldPair = ["custom-key", "custom-value"];
const PRIVATE: FieldPair = ["cache-control", "private"];
const DATE_21: FieldPair = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const DATE_22: FieldPair = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const LOCATION: FieldPair = ["location", "https://www.example.com"];
const GZIP: FieldPair = ["content-encoding", "gzip"];
const COOKIE: FieldPair = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];

const REQUESTS = [
  { fields: [GET, HTTP, ROOT, AUTHORITY], table: [AUTHORITY], size: 57 },
  { fields: [GET, HTTP, ROOT, AUTHORITY, NO_CACHE], table: [NO_CACHE, AUTHORITY], size: 110 },
  {
    fields: [GET, [":scheme", "https"], [":path", "/index.html"], AUTHORITY, CUSTOM],
    table: [CUSTOM, NO_CACHE, AUTHORITY],
    size: 164,
  },
] as const;

const RESPONSES = [
  {
    fields: [[":status", "302"], PRIVATE, DATE_21, LOCATION],
    table: [LOCATION, DATE_21, PRIVATE, [":status", "302"]],
    size: 222,
  },
  {
    fields: [[":status", "307"], PRIVATE, DATE_21, LOCATION],
    table: [[":status", "307"], LOCATION, DATE_21, PRIVATE],
    size: 222,
  },
  {
    fields: [[":status", "200"], PRIVATE, DATE_22, LOCATION, GZIP, COOKIE],
    table: [COOKIE, GZIP, DATE_22],
    size: 215,
  },
] as const;

const SEQUENCES = [
  {
    name: "C.3, requests without Huffman coding",
    messages: REQUESTS,
    blocks: [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
  },
  {
    name: "C.4, requests with Huffman coding",
    messages: REQUESTS,
    blocks: [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  },
  {
    name: "C.5, responses without Huffman coding, a table of 256 bytes",
    messages: RESPONSES,
    acknowledged: 256,
    blocks: [
      `3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
       474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`,
    ],
  },
  {
    name: "C.6, responses with Huffman coding, a table of 256 bytes",
    messages: RESPONSES,
    acknowledged: 256,
    blocks: [
      `3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
       63c7 8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  },
].map(({ blocks, ...sequence }) => ({ ...sequence, blocks: blocks.map((hex) => bytes(hex.replaceAll("\n", ""))) }));

describe("the examples of RFC 7541, appendix C", () => {
  it.each([
    { name: "C.1.1: 10 with a prefix of 5 bits", value: 10, prefixBits: 5, hex: "0a" },
    { name: "C.1.2: 1337 with a prefix of 5 bits", value: 1337, prefixBits: 5, hex: "1f9a0a" },
    { name: "C.1.3: 42 with a prefix of 8 bits", value: 42, prefixBits: 8, hex: "2a" },
  ])("$name", ({ value, prefixBits, hex }) => {
    expect(integer(0, prefixBits, value).toString("hex")).toBe(hex);
  });

  it.each([
    {
      name: "C.2.1: a literal that becomes an entry",
      hex: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      field: ["custom-key", "custom-header"],
      table: [["custom-key", "custom-header"]],
    },
    {
      name: "C.2.2: a literal",
      hex: "040c 2f73 616d 706c 652f 7061 7468",
      field: [":path", "/sample/path"],
      table: [],
    },
    { name: "C.2.4: an indexed field", hex: "82", field: [":method", "GET"], table: [] },
  ])("$name", ({ hex, field, table }) => {
    expect(decodedPairs(new HpackDecoder(), bytes(hex))).toEqual([field]);
    expect(tableAfter([bytes(hex)])).toEqual(table);
  });

  it("C.2.3: a literal that is never indexed is reported as such", () => {
    const block = bytes("1008 7061 7373 776f 7264 0673 6563 7265 74");
    expect(new HpackDecoder().decode(block)).toEqual({
      kind: "fields",
      names: ["password"],
      values: ["secret"],
      neverIndexed: [0],
    });
  });

  it.each(SEQUENCES)("$name: fields and table after each message", ({ messages, blocks, acknowledged }) => {
    const decoder = new HpackDecoder();
    if (acknowledged !== undefined) decoder.acknowledgeTableBytes(acknowledged);
    for (const [index, { fields, table, size }] of messages.entries()) {
      expect(decodedPairs(decoder, blocks[index] ?? Buffer.alloc(0))).toEqual(fields);
      const found = tableAfter(blocks.slice(0, index + 1), acknowledged);
      expect(found).toEqual(table);
      expect(tableBytes(found)).toBe(size);
    }
  });

  it("C.3: the encoder writes the same bytes for the names that it indexes", () => {
    const encoder = new HpackEncoder();
    const [first, second] = REQUESTS;
    expect(encodeBlock(encoder, first.fields)).toEqual(bytes("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"));
    expect(encodeBlock(encoder, second.fields)).toEqual(bytes("8286 84be 5808 6e6f 2d63 6163 6865"));
  });

  it("C.4 and C.6: the tests' own Huffman coder gives the RFC's octets", () => {
    expect(huffmanBytes("www.example.com").toString("hex")).toBe("f1e3c2e5f23a6ba0ab90f4ff");
    expect(huffmanBytes(DATE_21[1]).toString("hex")).toBe("d07abe941054d444a8200595040b8166e082a62d1bff");
  });
});
