import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileIpBlocks, parseIp } from "./ip-blocks.ts";

interface Family {
  readonly name: "ipv4" | "ipv6";
  readonly address: fc.Arbitrary<string>;
  readonly length: fc.Arbitrary<number>;
}

/** Few different bytes, so that addresses and blocks meet. */
const byte = fc.oneof(fc.constantFrom(0, 1, 10, 127, 128, 255), fc.nat(255));
const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join("."));
const group = fc.oneof(
  fc.constantFrom("0", "1", "fe80", "2001", "ffff", "db8"),
  fc.nat(0xffff).map((n) => n.toString(16)),
);
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(":"));
const FAMILIES: readonly Family[] = [
  { name: "ipv4", address: ipv4, length: fc.integer({ min: 0, max: 32 }) },
  { name: "ipv6", address: ipv6, length: fc.integer({ min: 0, max: 128 }) },
];

function isIn(blocks: readonly string[], address: string): boolean | undefined {
  const bits = parseIp(address);
  return bits && compileIpBlocks(blocks)?.(bits);
}

describe("blocks of addresses", () => {
  it.each(FAMILIES)("agree with Node's BlockList on $name", ({ name, address, length }) => {
    const blocks = fc.array(fc.tuple(address, length), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(blocks, fc.array(address, { minLength: 1, maxLength: 8 }), (list, addresses) => {
        const reference = new BlockList();
        for (const [network, prefix] of list) reference.addSubnet(network, prefix, name);
        const texts = list.map(([network, prefix]) => `${network}/${prefix}`);
        for (const one of [...addresses, ...list.map(([network]) => network)]) {
          // Node's IPv6 block of all addresses has the mapped ones too, which are IPv4 here.
          if (name === "ipv6" && parseIp(one)?.length === 1) continue;
          expect(isIn(texts, one), `${one} in ${texts.join()}`).toBe(reference.check(one, name));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("accept as an address exactly what Node does, without leading zeros", () => {
    const piece = fc.constantFrom(
      "::",
      ":",
      ".",
      "0",
      "1",
      "ffff",
      "10",
      "255",
      "256",
      "01",
      "1.2.3.4",
      "%eth0",
      "g",
      "-1",
    );
    const text = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(fc.oneof(text, ipv4, ipv6, fc.string()), (given) => {
        expect(parseIp(given) !== undefined, given).toBe(isIP(given) !== 0);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    { block: "10.0.0.0/8", address: "::ffff:10.1.2.3", expected: true },
    { block: "::ffff:10.0.0.0/104", address: "10.1.2.3", expected: true },
    { block: "::ffff:10.0.0.0/104", address: "11.1.2.3", expected: false },
    { block: "::ffff:a01:203", address: "10.1.2.3", expected: true },
    { block: "::ffff:0:0/80", address: "::1", expected: true },
    { block: "::ffff:0:0/80", address: "10.1.2.3", expected: false },
    { block: "::/0", address: "10.1.2.3", expected: false },
    { block: "0.0.0.0/0", address: "2001:db8::1", expected: false },
    { block: "0.0.0.0/0", address: "10.1.2.3", expected: true },
    { block: "10.1.2.3", address: "10.1.2.3", expected: true },
    { block: "10.1.2.3", address: "10.1.2.4", expected: false },
    { block: "10.1.2.3/16", address: "10.1.255.255", expected: true },
    { block: "fe80::/10", address: "fe80::1%eth0", expected: true },
    { block: "2001:DB8::/32", address: "2001:db8:1::1", expected: true },
  ])("$block with $address: $expected", ({ block, address, expected }) => {
    expect(isIn([block], address)).toBe(expected);
  });

  it.each([
    "",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0/8",
    "::/129",
    "10.0.0.0/8/8",
    "10.0.0.01",
    "fe80::%eth0/10",
    "a.com",
    "*",
  ])("refuse %j as a whole", (block) => {
    expect(compileIpBlocks(["10.0.0.0/8", block])).toBeUndefined();
  });
});
