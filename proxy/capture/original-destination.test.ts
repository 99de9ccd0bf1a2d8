import { describe, expect, it } from "vitest";
import { parseSockaddrIn, parseSockaddrIn6 } from "./original-destination.ts";

describe("socket addresses", () => {
  it("of IPv4 are read in network order", () => {
    const bytes = Buffer.from("02001f900a0a00070000000000000000", "hex");
    expect(parseSockaddrIn(bytes)).toEqual({ ip: "10.10.0.7", port: 8080 });
  });

  it.each([
    { name: "a run of zeros is shortened", hex: "fd000000000000000000000000000009", ip: "fd00::9" },
    { name: "loopback", hex: "00000000000000000000000000000001", ip: "::1" },
    { name: "the unspecified address", hex: "00000000000000000000000000000000", ip: "::" },
    { name: "the longer of two runs", hex: "20010000000000010000000000000002", ip: "2001:0:0:1::2" },
    { name: "the first of equal runs", hex: "20010000000000010001000000000002", ip: "2001::1:1:0:0:2" },
    { name: "a single zero group stays", hex: "20010db8000000010001000100010001", ip: "2001:db8:0:1:1:1:1:1" },
    { name: "a run at the end", hex: "fd000000000000010000000000000000", ip: "fd00:0:0:1::" },
  ])("of IPv6 are written as in RFC 5952: $name", ({ hex, ip }) => {
    const bytes = Buffer.from(`0a001f9000000000${hex}00000000`, "hex");
    expect(parseSockaddrIn6(bytes)).toEqual({ ip, port: 8080 });
  });
});
