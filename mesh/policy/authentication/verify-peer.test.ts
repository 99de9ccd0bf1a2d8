import { describe, expect, it } from "vitest";
import { formatDer, formatSequence } from "../../identity/der-writer.ts";
import { type MintLeafOptions, mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../identity/spiffe-id.ts";
import { indexRevocations } from "./revocations.ts";
import { type PeerEvidence, verifyPeer } from "./verify-peer.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/world");
const root = mintRoot();
const validity = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };

function mint(options: Partial<MintLeafOptions> = {}) {
  return mintLeaf({ issuer: root, uriSans: [HELLO], ...validity, ...options }).certificate;
}

function evidence(overrides: Partial<PeerEvidence> = {}): PeerEvidence {
  return {
    certificates: [mint()],
    sessionReused: false,
    roots: [root.certificate],
    trustDomains: [parseTrustDomain("cluster.local")],
    nowMs: NOW,
    ...overrides,
  };
}

function keyUsage(unusedBits: number, ...octets: readonly number[]): Buffer {
  return formatDer(0x03, Buffer.from([unusedBits, ...octets]));
}

describe("verifyPeer", () => {
  it("accepts a workload of the mesh, and returns its expiry and its path", () => {
    const certificate = mint();
    expect(verifyPeer(evidence({ certificates: [certificate] }))).toEqual({
      ...{ kind: "trusted", identity: HELLO, notAfterMs: Date.parse("2026-01-02") },
      path: [certificate, root.certificate],
    });
  });

  it.each([
    {
      name: "with DNS names in addition to its URI",
      overrides: { certificates: [mint({ dnsSans: ["hello.ns1.svc"] })] },
    },
    {
      name: "of an alias of the trust domain",
      overrides: {
        certificates: [mint({ uriSans: ["spiffe://old.domain/ns/ns1/sa/hello"] })],
        trustDomains: [parseTrustDomain("cluster.local"), parseTrustDomain("old.domain")],
      },
    },
    { name: "that is one of the expected ones", overrides: { expected: [WORLD, HELLO] } },
    { name: "without key usage", overrides: { certificates: [mint({ keyUsage: "none" })] } },
    {
      name: "with an RSA key's usages of two octets",
      overrides: { certificates: [mint({ keyUsage: keyUsage(7, 0xa8, 0x80) })] },
    },
    { name: "without extended key usage", overrides: { certificates: [mint({ usages: [] })] } },
    { name: "at the last moment of its certificate", overrides: { nowMs: validity.notAfter.getTime() } },
    { name: "at the first moment of its certificate", overrides: { nowMs: validity.notBefore.getTime() } },
  ])("accepts a peer $name", ({ overrides }) => {
    expect(verifyPeer(evidence(overrides)).kind).toBe("trusted");
  });

  const critical = { oid: "1.3.6.1.4.1.99999.1", critical: true, der: formatSequence() };
  it.each([
    { name: "no certificate", overrides: { certificates: [] }, reason: "no_certificate" },
    {
      name: "a resumed session, even with a valid certificate",
      overrides: { sessionReused: true },
      reason: "session_reused",
    },
    {
      name: "a resumed session without a certificate",
      overrides: { sessionReused: true, certificates: [] },
      reason: "session_reused",
    },
    {
      name: "another root with the same name",
      overrides: { certificates: [mint({ issuer: mintRoot() })] },
      reason: "unknown_root",
    },
    { name: "an expired certificate", overrides: { nowMs: validity.notAfter.getTime() + 1000 }, reason: "expired" },
    {
      name: "a certificate that is not valid yet",
      overrides: { nowMs: validity.notBefore.getTime() - 1000 },
      reason: "not_yet_valid",
    },
    {
      name: "another trust domain",
      overrides: { certificates: [mint({ uriSans: ["spiffe://evil.local/ns/ns1/sa/hello"] })] },
      reason: "foreign_trust_domain",
    },
    {
      name: "a trust domain that only starts the same",
      overrides: { certificates: [mint({ uriSans: ["spiffe://cluster.local.evil/ns/ns1/sa/hello"] })] },
      reason: "foreign_trust_domain",
    },
    { name: "two URI names", overrides: { certificates: [mint({ uriSans: [HELLO, WORLD] })] }, reason: "san_count" },
    {
      name: "the same URI name twice",
      overrides: { certificates: [mint({ uriSans: [HELLO, HELLO] })] },
      reason: "san_count",
    },
    {
      name: "a second URI name that is not a SPIFFE id",
      overrides: { certificates: [mint({ uriSans: [HELLO, "https://x"] })] },
      reason: "san_count",
    },
    {
      name: "no URI name",
      overrides: { certificates: [mint({ uriSans: [], dnsSans: ["hello.ns1"] })] },
      reason: "san_count",
    },
    { name: "no names at all", overrides: { certificates: [mint({ uriSans: [] })] }, reason: "san_count" },
    {
      name: "a SPIFFE id of four parts",
      overrides: { certificates: [mint({ uriSans: ["spiffe://cluster.local/ns/ns1"] })] },
      reason: "san_malformed",
    },
    {
      name: "a NUL in its name (CVE-2025-66220)",
      overrides: { certificates: [mint({ uriSans: [`${HELLO}\0x`] })] },
      reason: "san_malformed",
    },
    {
      name: "a CA certificate",
      overrides: { certificates: [root.certificate] },
      reason: "not_a_workload",
    },
    {
      name: "an unknown critical extension",
      overrides: { certificates: [mint({ extensions: [critical] })] },
      reason: "unsupported_constraint",
    },
    {
      name: "a server's certificate for a client",
      overrides: { certificates: [mint({ usages: ["server"] })] },
      reason: "wrong_usage",
    },
    // X509-SVID, section 4.3.
    {
      name: "a key that may not sign",
      overrides: { certificates: [mint({ keyUsage: keyUsage(5, 0x20) })] },
      reason: "wrong_usage",
    },
    {
      name: "a key that may sign certificates",
      overrides: { certificates: [mint({ keyUsage: keyUsage(2, 0x84) })] },
      reason: "wrong_usage",
    },
    {
      name: "a key that may sign lists",
      overrides: { certificates: [mint({ keyUsage: keyUsage(1, 0x82) })] },
      reason: "wrong_usage",
    },
    {
      name: "the hour 80, which Node takes for a time and OpenSSL does not",
      overrides: { certificates: [mint({ notBefore: formatDer(0x17, Buffer.from("250101800000Z")) })] },
      reason: "malformed_certificate",
    },
    {
      name: "a client's certificate for a server",
      overrides: { certificates: [mint({ usages: ["client"] })], expected: [HELLO] },
      reason: "wrong_usage",
    },
    { name: "an identity that is not expected", overrides: { expected: [WORLD] }, reason: "unexpected_identity" },
    { name: "any identity if none is expected", overrides: { expected: [] }, reason: "unexpected_identity" },
  ] satisfies { name: string; overrides: Partial<PeerEvidence>; reason: string }[])(
    "refuses $name",
    ({ overrides, reason }) => {
      expect(verifyPeer(evidence(overrides))).toMatchObject({ kind: "refused", reason });
    },
  );

  it("reports both the identity and the expected ones", () => {
    const verdict = verifyPeer(evidence({ expected: [WORLD] }));
    expect(verdict).toMatchObject({ message: `the server is ${HELLO}, expected ${WORLD}` });
  });

  it("does not read names from a certificate that leads to no root", () => {
    const forged = mint({ issuer: mintRoot(), uriSans: ["spiffe://evil\n/ns/a/sa/b"] });
    const verdict = verifyPeer(evidence({ certificates: [forged] }));
    expect(verdict).toMatchObject({ reason: "unknown_root" });
    expect(JSON.stringify(verdict)).not.toContain("evil");
  });
});

describe("a revoked peer", () => {
  const authority = mintRoot({ commonName: "authority", issuer: root, serialNumber: Uint8Array.of(0x0b) });
  const other = mintRoot({ commonName: "other authority", issuer: root });
  const leaf = mint({ issuer: authority, serialNumber: Uint8Array.of(0x0a) });
  const revoke = (serialNumber: string, ...identities: readonly (typeof HELLO)[]) =>
    indexRevocations({ certificates: serialNumber === "" ? [] : [{ serialNumber }], identities });

  it.each([
    { name: "by its serial number", revocations: revoke("A"), message: "the certificate A is revoked" },
    { name: "by its identity", revocations: revoke("", HELLO), message: `the identity ${HELLO} is revoked` },
    {
      name: "by the serial number of its authority",
      revocations: revoke("B"),
      message: "the certificate B of an authority in the peer's chain is revoked",
    },
  ])("is refused as client and as server: $name", ({ revocations, message }) => {
    const certificates = [leaf, authority.certificate];
    expect(verifyPeer(evidence({ certificates })).kind).toBe("trusted");
    const refused = { kind: "refused", reason: "revoked", message };
    expect(verifyPeer(evidence({ certificates, revocations }))).toEqual(refused);
    expect(verifyPeer(evidence({ certificates, revocations, expected: [HELLO] }))).toEqual(refused);
  });

  it("stays refused with more certificates in its chain, in any order", () => {
    const extra = [other.certificate, authority.certificate, mintRoot({ commonName: "unrelated" }).certificate];
    for (const rest of [extra, extra.toReversed(), [...extra.slice(1), other.certificate]]) {
      const verdict = verifyPeer(evidence({ certificates: [leaf, ...rest], revocations: revoke("A") }));
      expect(verdict).toMatchObject({ reason: "revoked" });
    }
  });

  it("of an authority that has a second certificate, which is not revoked, is refused if it shows the revoked one", () => {
    const again = mintRoot({ commonName: "authority", issuer: root, key: authority.key });
    const revocations = revoke("B");
    const show = (...shown: readonly (typeof authority)[]) =>
      verifyPeer(evidence({ certificates: [leaf, ...shown.map(({ certificate }) => certificate)], revocations })).kind;
    expect(show(authority)).toBe("refused");
    expect(show(again)).toBe("trusted");
  });

  it("that another chain names is no reason: certificates that are not part of the path do not count", () => {
    const certificates = [mint({ issuer: other }), other.certificate, leaf, authority.certificate];
    expect(verifyPeer(evidence({ certificates, revocations: revoke("A") })).kind).toBe("trusted");
    expect(verifyPeer(evidence({ certificates, revocations: revoke("B") })).kind).toBe("trusted");
  });

  it("is not looked up before its chain is verified: the reason contains nothing of an unknown root's certificate", () => {
    const forged = mint({ issuer: mintRoot(), serialNumber: Uint8Array.of(0x0a) });
    const verdict = verifyPeer(evidence({ certificates: [forged], revocations: revoke("A", HELLO) }));
    expect(verdict).toMatchObject({ reason: "unknown_root" });
  });
});
