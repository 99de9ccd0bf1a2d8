import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listOf } from "../../messages/field-list-fixture.ts";
import { readClientFacts } from "./client-facts.ts";

/** @param fields names and values in turn. */
function read(numTrustedProxies: number, ...fields: readonly string[]) {
  const head = { fields: listOf(fields) };
  return readClientFacts({ head, peerIp: "10.9.9.9", numTrustedProxies, requestId: "id-1" });
}

const XFF = "x-forwarded-for";

describe("the address of a client", () => {
  it.each([
    { name: "is the TCP peer's without trusted proxies", trusted: 0, lines: ["203.0.113.9"], expected: "10.9.9.9" },
    {
      name: "is the last entry behind one proxy",
      trusted: 1,
      lines: ["1.1.1.1, 203.0.113.9"],
      expected: "203.0.113.9",
    },
    {
      name: "is the second entry from the right behind two",
      trusted: 2,
      lines: ["203.0.113.9,198.51.100.7,10.0.0.9"],
      expected: "198.51.100.7",
    },
    {
      name: "is found over several lines, in their order",
      trusted: 2,
      lines: ["203.0.113.9", "198.51.100.7", "10.0.0.9"],
      expected: "198.51.100.7",
    },
    { name: "is the TCP peer's if too few proxies wrote", trusted: 2, lines: ["203.0.113.9"], expected: "10.9.9.9" },
    { name: "is the TCP peer's if none wrote", trusted: 1, lines: [], expected: "10.9.9.9" },
    {
      name: "is the TCP peer's if the entry is none",
      trusted: 1,
      lines: ["203.0.113.9, unknown"],
      expected: "10.9.9.9",
    },
    { name: "is the TCP peer's if the entry is empty", trusted: 1, lines: ["203.0.113.9,"], expected: "10.9.9.9" },
    { name: "may have a port", trusted: 1, lines: ["203.0.113.9:4711"], expected: "203.0.113.9" },
    { name: "may be of IPv6", trusted: 1, lines: ["2001:db8::1"], expected: "2001:db8::1" },
    { name: "may be of IPv6, in brackets", trusted: 1, lines: ["[2001:db8::1]:4711"], expected: "2001:db8::1" },
    { name: "is of IPv4 if it is mapped", trusted: 1, lines: ["::FFFF:203.0.113.9"], expected: "203.0.113.9" },
  ])("$name", ({ trusted, lines, expected }) => {
    const facts = read(trusted, ...lines.flatMap((line) => [XFF, line]));
    const forwarded = [...lines, "10.9.9.9"].join(",").replaceAll(/, ?/g, ", ");
    expect(facts.remoteIp).toBe(expected);
    expect(facts.written["x-forwarded-for"]?.replaceAll(/, ?/g, ", ")).toBe(forwarded);
    expect(facts.written["x-envoy-external-address"]).toBe(expected);
  });

  it("does not depend on what the client claims in front of its proxies", () => {
    const claim = fc.string({ unit: fc.constantFrom(..."0123456789abcdef.:[], \tx") });
    fc.assert(
      fc.property(claim, fc.integer({ min: 1, max: 3 }), (claimed, trusted) => {
        const written = ["203.0.113.9", "10.0.0.2", "10.0.0.3"].slice(0, trusted);
        const facts = read(trusted, XFF, [claimed, ...written].join(", "));
        expect(facts.remoteIp).toBe("203.0.113.9");
      }),
    );
  });
});

describe("the protocol of a client", () => {
  it.each([
    { name: "is a trusted proxy's", trusted: 1, lines: ["https"], expected: "https" },
    { name: "is never the client's own claim", trusted: 0, lines: ["https"], expected: "http" },
    { name: "is the gateway's if it is no protocol", trusted: 1, lines: ["gopher"], expected: "http" },
    { name: "is the gateway's if there are two", trusted: 1, lines: ["https", "http"], expected: "http" },
    { name: "is the gateway's if there is none", trusted: 1, lines: [], expected: "http" },
  ])("$name", ({ trusted, lines, expected }) => {
    expect(read(trusted, ...lines.flatMap((line) => ["x-forwarded-proto", line])).proto).toBe(expected);
  });
});
