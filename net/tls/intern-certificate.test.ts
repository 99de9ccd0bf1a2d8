import { describe, expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { internCertificate } from "./intern-certificate.ts";

const ROOT = mintRoot();
const DATES = { notBefore: new Date("2020-01-01"), notAfter: new Date("2045-01-01") };

function derOf(path: string): Buffer {
  return mintLeaf({ issuer: ROOT, uriSans: [`spiffe://a/${path}`], ...DATES }).certificate.raw;
}

describe("a peer's certificate", () => {
  it("is one object for all connections on which the same bytes were shown", () => {
    const der = derOf("ns/b/sa/c");
    const first = internCertificate(der);
    expect(internCertificate(Buffer.from(der))).toBe(first);
    expect(first.raw.equals(der)).toBe(true);
  });

  it("is never taken for another, not even for one that differs in its signature alone", () => {
    const der = derOf("ns/b/sa/c");
    const first = internCertificate(der);
    const forged = Buffer.from(der);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const second = internCertificate(forged);
    expect(second).not.toBe(first);
    expect([first, second].map((each) => each.verify(ROOT.certificate.publicKey))).toEqual([true, false]);
  });

  it("that cannot be parsed is refused each time", () => {
    const garbage = derOf("ns/b/sa/c").subarray(0, 100);
    for (let time = 0; time < 2; time += 1) expect(() => internCertificate(garbage)).toThrow();
  });

  it("of a peer is found again after a client has shown a thousand others", () => {
    const der = derOf("ns/b/sa/c");
    for (let serial = 0; serial < 1000; serial += 1) {
      const other = Buffer.from(der);
      other.writeUInt32BE(serial, other.length - 8);
      internCertificate(other);
    }
    expect(internCertificate(der).raw.equals(der)).toBe(true);
  });
});
