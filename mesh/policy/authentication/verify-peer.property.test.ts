import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../identity/spiffe-id.ts";
import { type PeerVerdict, verifyPeer } from "./verify-peer.ts";

const root = mintRoot();
const valid = mintLeaf({
  issuer: root,
  uriSans: ["spiffe://cluster.local/ns/a/sa/b"],
  notBefore: new Date("2024-01-01"),
  notAfter: new Date("2034-01-01"),
}).certificate.raw;
/** Lengths of the outer header, the signed part's header and its content: the signature covers the bytes up to here. */
const signedLength = 4 + 4 + valid.readUInt16BE(6);

function verify(der: Uint8Array): PeerVerdict["kind"] | "unparsed" {
  const certificate = parseCertificate(der);
  if (certificate === undefined) return "unparsed";
  return verifyPeer({
    certificates: [certificate],
    sessionReused: false,
    roots: [root.certificate],
    trustDomains: [parseTrustDomain("cluster.local")],
    nowMs: Date.parse("2026-01-01"),
  }).kind;
}

function parseCertificate(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

describe("verifyPeer", () => {
  it("never accepts a certificate with a changed byte in its signed part, and never throws", () => {
    expect(verify(valid)).toBe("trusted");
    fc.assert(
      fc.property(fc.nat(signedLength - 1), fc.integer({ min: 1, max: 255 }), (offset, difference) => {
        const mutated = Uint8Array.from(valid);
        mutated[offset] = (valid[offset] ?? 0) ^ difference;
        expect(verify(mutated)).not.toBe("trusted");
      }),
      { numRuns: 2000 },
    );
  });
});
