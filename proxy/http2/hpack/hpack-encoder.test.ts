import { describe, expect, it } from "vitest";
import { decodedPairs, encodeBlock, type FieldPair, tableAfter } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder, maxEncodedBytes } from "./hpack-encoder.ts";

const AGENT: FieldPair = ["user-agent", "curl/8.5.0"];
const TOKEN: FieldPair = ["authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"];

/** The fields of a block that are never-indexed, as a decoder sees them. */
function neverIndexed(block: Buffer): readonly string[] {
  const decoded = new HpackDecoder().decode(block);
  if (decoded.kind !== "fields") throw new Error(decoded.message);
  return decoded.neverIndexed.map((position) => decoded.names[position] ?? "");
}

describe("what the encoder's table contains", () => {
  it("a field that repeats takes one octet from its second time on", () => {
    const encoder = new HpackEncoder();
    expect(encodeBlock(encoder, [AGENT]).length).toBeGreaterThan(AGENT[1].length);
    expect(encodeBlock(encoder, [AGENT])).toEqual(Buffer.from([0xbe]));
  });

  it("values that alternate are both found", () => {
    const encoder = new HpackEncoder();
    const other: FieldPair = ["user-agent", "wget/1.21"];
    encodeBlock(encoder, [AGENT, other]);
    expect(encodeBlock(encoder, [AGENT, other])).toEqual(Buffer.from([0xbf, 0xbe]));
  });

  it("a known name that is not in the static table is written once", () => {
    const encoder = new HpackEncoder();
    encodeBlock(encoder, [["x-forwarded-proto", "https"]]);
    expect(encodeBlock(encoder, [["x-forwarded-proto", "http"]])).toEqual(Buffer.from("\x7e\x04http", "latin1"));
  });

  it.each<{ field: FieldPair }>([
    { field: [":path", "/users/17?token=abc"] },
    { field: TOKEN },
    { field: ["proxy-authorization", "Basic dXNlcjpwYXNzd29yZA=="] },
    { field: ["cookie", "session=0123456789abcdef0123456789abcdef"] },
    { field: ["set-cookie", "session=0123456789abcdef0123456789abcdef"] },
    { field: ["x-request-id", "f058ebd6-02f7-4d3f-942e-904344e8cde5"] },
    { field: ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] },
    { field: ["x-api-key", "0123456789abcdef"] },
    { field: ["date", "Mon, 21 Oct 2013 20:13:21 GMT"] },
    { field: ["last-modified", "Mon, 21 Oct 2013 20:13:21 GMT"] },
    { field: ["expires", "Mon, 21 Oct 2013 20:13:21 GMT"] },
    { field: ["etag", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'] },
    { field: ["content-length", "17"] },
    { field: ["location", "/users/17?token=abc"] },
  ])("no paths, ids, dates and secrets: $field", ({ field }) => {
    expect(tableAfter([encodeBlock(new HpackEncoder(), [field])])).toEqual([]);
  });

  it("no entry of more than half the table", () => {
    const large: FieldPair = ["vary", "v".repeat(2048 - 32 - 4 + 1)];
    expect(tableAfter([encodeBlock(new HpackEncoder(), [large])])).toEqual([]);
    expect(tableAfter([encodeBlock(new HpackEncoder(), [["vary", large[1].slice(1)]])])).toHaveLength(1);
  });

  it("entries of the static table are used, also with an empty value", () => {
    const fields: readonly FieldPair[] = [
      [":status", "204"],
      [":path", "/index.html"],
      ["accept-encoding", "gzip, deflate"],
      ["date", ""],
    ];
    expect(encodeBlock(new HpackEncoder(), fields)).toEqual(Buffer.from([0x89, 0x85, 0x90, 0xa1]));
  });
});

describe("never-indexed fields (RFC 7541 §7.1.3)", () => {
  it.each<{ field: FieldPair; expected: readonly string[] }>([
    { field: TOKEN, expected: ["authorization"] },
    { field: ["authorization", ""], expected: ["authorization"] },
    { field: ["proxy-authorization", "Basic dXNlcg=="], expected: ["proxy-authorization"] },
    { field: ["cookie", "pin=1234567890abcde"], expected: ["cookie"] },
    { field: ["cookie", "pin=1234567890abcdef"], expected: [] },
    { field: AGENT, expected: [] },
  ])("$field", ({ field, expected }) => {
    expect(neverIndexed(encodeBlock(new HpackEncoder(), [field]))).toEqual(expected);
  });

  it.each<{ field: FieldPair }>([{ field: AGENT }, { field: ["x-own", "1"] }, { field: [":method", "GET"] }])(
    "stay so through the proxy, whatever their name: $field",
    ({ field: [name, value] }) => {
      const encoder = new HpackEncoder();
      encodeBlock(encoder, [[name, value]]);
      const target = Buffer.alloc(100);
      const end = encoder.encodeNeverIndexed(target, encoder.beginBlock(target, 0), name, value);
      expect(neverIndexed(target.subarray(0, end))).toEqual([name]);
    },
  );
});

describe("size updates (RFC 7541 §4.2)", () => {
  const FIELDS: readonly FieldPair[] = [[":method", "GET"], AGENT];
  it.each([
    { name: "none while the peer allows 4096 bytes or more", sizes: [4096, 65_536, 2 ** 32 - 1], prefix: "" },
    { name: "one to a smaller size", sizes: [100], prefix: "3f45" },
    { name: "one to 0", sizes: [0], prefix: "20" },
    { name: "one to the last of shrinking sizes", sizes: [200, 100], prefix: "3f45" },
    { name: "two when the size shrank and grew", sizes: [0, 4096], prefix: "203fe11f" },
    { name: "two when the size shrank and grew a little", sizes: [200, 0, 100], prefix: "203f45" },
  ])("$name", ({ sizes, prefix }) => {
    const encoder = new HpackEncoder();
    for (const size of sizes) encoder.setMaxTableBytes(size);
    const block = encodeBlock(encoder, FIELDS);
    expect(block.toString("hex")).toMatch(new RegExp(`^${prefix}82`));
    expect(encodeBlock(encoder, FIELDS).toString("hex")).toMatch(/^82/);
  });

  it("no size before the table that was dropped in between is referred to again", () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    decodedPairs(decoder, encodeBlock(encoder, FIELDS));
    encoder.setMaxTableBytes(0);
    encoder.setMaxTableBytes(4096);
    expect(decodedPairs(decoder, encodeBlock(encoder, FIELDS))).toEqual(FIELDS);
  });

  it("nothing is indexed by a peer without a table", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    encodeBlock(encoder, FIELDS);
    expect(tableAfter([encodeBlock(encoder, FIELDS)])).toEqual([]);
  });

  it("a table that grows again after a block needs one update", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(100);
    encodeBlock(encoder, FIELDS);
    encoder.setMaxTableBytes(200);
    expect(encodeBlock(encoder, FIELDS).toString("hex")).toMatch(/^3fa90182/);
  });
});

it.each([0, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 16_512])(
  "a value of %i bytes is decoded as sent",
  (length) => {
    const field: FieldPair = ["x-own", "v".repeat(length)];
    expect(decodedPairs(new HpackDecoder(), encodeBlock(new HpackEncoder(), [field]))).toEqual([field]);
  },
);

describe("the caller's buffer", () => {
  it.each<{ name: string; field: FieldPair }>([
    { name: "a short field", field: AGENT },
    { name: "a name and a value whose lengths need two octets", field: ["n".repeat(200), "v".repeat(200)] },
    { name: "a value of 1 MB", field: ["n", "v".repeat(2 ** 20)] },
  ])("needs at most the announced room: $name", ({ field }) => {
    expect(encodeBlock(new HpackEncoder(), [field]).length).toBeLessThanOrEqual(maxEncodedBytes(...field));
  });

  it("a field without room is refused before the table has changed", () => {
    const encoder = new HpackEncoder();
    const target = Buffer.alloc(maxEncodedBytes(...AGENT) - 1);
    expect(() => encoder.encodeField(target, 0, ...AGENT)).toThrow(RangeError);
    expect(() => encoder.encodeNeverIndexed(target, 0, ...AGENT)).toThrow(RangeError);
    expect(decodedPairs(new HpackDecoder(), encodeBlock(encoder, [AGENT]))).toEqual([AGENT]);
  });

  it("size updates without room are refused, and written by the next block", () => {
    const encoder = new HpackEncoder();
    encoder.setMaxTableBytes(0);
    expect(() => encoder.beginBlock(Buffer.alloc(5), 0)).toThrow(RangeError);
    expect(encodeBlock(encoder, [])).toEqual(Buffer.from([0x20]));
  });
});
