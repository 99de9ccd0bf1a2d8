import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { findChainLimitFault } from "./chain-limits.ts";
import { formatInteger, formatOid, formatSequence } from "./der-writer.ts";
import {
  ecKey,
  formatPublicKeyInfo,
  type HostileChain,
  type HostileKey,
  hostileDsaKey,
  hostileKeyOf,
  hostileRsaKey,
  mintCrossIssued,
  mintLadder,
} from "./hostile-chain-fixture.ts";
import { mintRoot } from "./mint-certificate-fixture.ts";
import { verifyChain } from "./verify-chain.ts";

const F4 = Uint8Array.of(1, 0, 1);
const ECDSA = "1.2.840.10045.4.3.2";
const LONG_OID = `1.2${".127".repeat(3000)}`;
const EC_EXPLICIT = formatSequence(formatOid("1.2.840.10045.2.1"), formatSequence(formatInteger(Uint8Array.of(1))));

function keyOn(curve: string): HostileKey {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
  return hostileKeyOf(publicKey.export({ type: "spki", format: "der" }), "1.2.840.10045.4.3.2", 70);
}

function keyOfType(type: "ed25519" | "ed448"): HostileKey {
  const { publicKey } = type === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ed448");
  return hostileKeyOf(publicKey.export({ type: "spki", format: "der" }), "1.2.840.10045.4.3.2", 114);
}

const HOSTILE: readonly { name: string; chain: () => HostileChain; reason: string }[] = [
  { name: "a DSA key", chain: () => mintLadder([hostileDsaKey(2048)]), reason: "unsupported_signature" },
  {
    name: "a DSA key signed by a valid key",
    chain: () => mintLadder([ecKey(), hostileDsaKey(10_000), ecKey()]),
    reason: "unsupported_signature",
  },
  { name: "a key on P-521", chain: () => mintLadder([keyOn("P-521")]), reason: "unsupported_key" },
  { name: "a key on secp256k1", chain: () => mintLadder([keyOn("secp256k1")]), reason: "unsupported_key" },
  { name: "a key on a binary curve", chain: () => mintLadder([keyOn("sect571r1")]), reason: "unsupported_key" },
  {
    name: "a key on a custom curve",
    chain: () => {
      const info = formatPublicKeyInfo(EC_EXPLICIT, Buffer.alloc(65, 4));
      return mintLadder([hostileKeyOf(info, "1.2.840.10045.4.3.2", 70)]);
    },
    reason: "unsupported_key",
  },
  { name: "an Ed25519 key", chain: () => mintLadder([keyOfType("ed25519")]), reason: "unsupported_key" },
  { name: "an Ed448 key", chain: () => mintLadder([keyOfType("ed448")]), reason: "unsupported_key" },
  { name: "an RSA key of 1024 bits", chain: () => mintLadder([hostileRsaKey(1024, F4)]), reason: "weak_key" },
  { name: "an RSA key of 8200 bits", chain: () => mintLadder([hostileRsaKey(8200, F4)]), reason: "unsupported_key" },
  { name: "an RSA key of 16384 bits", chain: () => mintLadder([hostileRsaKey(16_384, F4)]), reason: "unsupported_key" },
  {
    name: "an RSA exponent of 3,000 bits",
    chain: () => mintLadder([hostileRsaKey(3072, Buffer.alloc(375, 0x7f))]),
    reason: "unsupported_key",
  },
  {
    name: "the RSA exponent 3",
    chain: () => mintLadder([hostileRsaKey(2048, Uint8Array.of(3))]),
    reason: "unsupported_key",
  },
  {
    name: "RSA without algorithm parameters",
    chain: () => {
      const info = formatPublicKeyInfo(formatSequence(formatOid("1.2.840.113549.1.1.1")), formatSequence());
      return mintLadder([hostileKeyOf(info, "1.2.840.113549.1.1.11", 256)]);
    },
    reason: "unsupported_key",
  },
  {
    name: "a SHA-1 signature",
    chain: () => mintLadder([hostileKeyOf(ecKey().publicKeyInfo, "1.2.840.10045.4.1", 70)]),
    reason: "unsupported_signature",
  },
  { name: "six certificates", chain: () => mintLadder(Array.from({ length: 5 }, ecKey)), reason: "chain_too_long" },
  {
    name: "more bytes than the limit",
    chain: () => mintLadder(Array.from({ length: 4 }, () => hostileRsaKey(16_384, F4))),
    reason: "chain_too_long",
  },
];

afterEach(() => vi.restoreAllMocks());

/** How often a signature is checked or a key decoded while `act` runs. */
function countKeyUses(act: () => void): number {
  const verify = vi.spyOn(X509Certificate.prototype, "verify");
  act();
  return verify.mock.calls.length;
}

describe("a peer's chain is checked before any of its keys is used", () => {
  it.each([
    { name: "P-256", chain: () => mintLadder([ecKey()]) },
    { name: "P-384", chain: () => mintLadder([keyOn("P-384")]) },
    { name: "RSA with 2048 bits", chain: () => mintLadder([hostileRsaKey(2048, F4)]) },
    { name: "RSA with 8192 bits", chain: () => mintLadder([hostileRsaKey(8192, F4)]) },
    { name: "five certificates", chain: () => mintLadder(Array.from({ length: 4 }, ecKey)) },
  ])("$name: accepted", ({ chain }) => {
    expect(findChainLimitFault(chain().certificates)).toBeUndefined();
  });

  it.each(HOSTILE)("$name: $reason, and no signature is checked", ({ chain, reason }) => {
    const { certificates } = chain();
    expect(findChainLimitFault(certificates)).toMatchObject({ reason });
    const [leaf, ...intermediates] = certificates.map((der) => new X509Certificate(der));
    if (leaf === undefined) throw new Error("the chain has no leaf");
    const roots = [mintRoot().certificate];
    const uses = countKeyUses(() => {
      expect(verifyChain({ leaf, intermediates, roots, nowMs: Date.now() })).toMatchObject({ kind: "broken", reason });
    });
    expect(uses).toBe(0);
  });

  it.each([
    {
      name: "a key",
      key: (oid: Buffer) => hostileKeyOf(formatPublicKeyInfo(formatSequence(oid), Buffer.alloc(65, 4)), ECDSA, 70),
    },
    {
      name: "a curve",
      key: (oid: Buffer) =>
        hostileKeyOf(
          formatPublicKeyInfo(formatSequence(formatOid("1.2.840.10045.2.1"), oid), Buffer.alloc(65, 4)),
          ECDSA,
          70,
        ),
    },
    { name: "a signature", key: () => hostileKeyOf(ecKey().publicKeyInfo, LONG_OID, 70) },
  ])("the identifier of $name may have 3 KB: the reason stays short", ({ key }) => {
    const fault = findChainLimitFault(mintLadder([key(formatOid(LONG_OID))]).certificates);
    expect(fault?.message.length).toBeLessThan(500);
  });

  it("bytes that are not a certificate: malformed_certificate", () => {
    expect(findChainLimitFault([Buffer.from("3003020101", "hex")])).toMatchObject({ reason: "malformed_certificate" });
  });
});

describe("the number of signature checks", () => {
  function countChecks({ certificates }: HostileChain, roots: readonly X509Certificate[]): number {
    const [leaf, ...intermediates] = certificates.map((der) => new X509Certificate(der));
    if (leaf === undefined) throw new Error("the chain has no leaf");
    return countKeyUses(() => {
      expect(verifyChain({ leaf, intermediates, roots, nowMs: Date.now() }).kind).toBe("broken");
    });
  }

  it("is zero if no certificate names a root, however they issue each other", () => {
    expect(countChecks(mintCrossIssued(ecKey(), 4), [mintRoot().certificate])).toBe(0);
  });

  it("is one per root for each certificate that names it, and never uses an unverified key of the peer", () => {
    const roots = [mintRoot({ commonName: "x" }), mintRoot({ commonName: "x" })].map((root) => root.certificate);
    expect(countChecks(mintCrossIssued(ecKey(), 4), roots)).toBe(5 * roots.length);
  });

  it("is 32 at most, however many roots have one name", () => {
    const roots = Array.from({ length: 16 }, () => mintRoot({ commonName: "x" }).certificate);
    expect(countChecks(mintCrossIssued(ecKey(), 4), roots)).toBe(32);
  });
});
