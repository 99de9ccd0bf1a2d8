import { describe, expect, it } from "vitest";
import { readCertificateParts } from "../../identity/certificate-parts.ts";
import { mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { formatTaggedSerial, tagOfPodUid } from "../../identity/pod-tag.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import type { RevokedCertificate } from "../types.ts";
import { describeRevoked, hashIssuerName, indexRevocations } from "./revocations.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/world");
const ROOT = mintRoot({ serialNumber: Uint8Array.of(0x01) });
const OTHER_ROOT = mintRoot({ commonName: "other root" });
const AUTHORITY = mintRoot({ commonName: "authority", issuer: ROOT, serialNumber: Uint8Array.of(0x0b) });
const validity = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };

function leafOf(issuer = AUTHORITY, serialNumber = Uint8Array.of(0x0a, 0xbc)) {
  return mintLeaf({ issuer, uriSans: [HELLO], ...validity, serialNumber }).certificate;
}

const LEAF = leafOf();
const PATH = [LEAF, AUTHORITY.certificate, ROOT.certificate];

function issuerHash(issuer: typeof ROOT): string {
  return hashIssuerName(readCertificateParts(issuer.certificate.raw).subject);
}

function index(...certificates: readonly RevokedCertificate[]) {
  return indexRevocations({ certificates, identities: [] });
}

describe("a revoked serial number", () => {
  it.each(["ABC", "0ABC", "abc", "0aBc", "000000ABC"])("is found as %s", (serialNumber) => {
    expect(index({ serialNumber }).find(PATH, HELLO)).toEqual({
      kind: "certificate",
      serialNumber: "ABC",
      isOwn: true,
    });
  });

  it.each(["AB", "ABCD", "BC", "A0BC", "-ABC", "ABC0", ""])("is not found as %s", (serialNumber) => {
    expect(index({ serialNumber }).find(PATH, HELLO)).toBeUndefined();
  });

  it.each([
    { name: "an authority between leaf and root", serialNumber: "0B", found: "B" },
    { name: "a root", serialNumber: "1", found: "1" },
  ])("of $name refuses what it has issued", ({ serialNumber, found }) => {
    const revoked = index({ serialNumber }).find(PATH, HELLO);
    expect(revoked).toEqual({ kind: "certificate", serialNumber: found, isOwn: false });
    expect(revoked && describeRevoked(revoked)).toBe(
      `the certificate ${found} of an authority in the peer's chain is revoked`,
    );
  });

  it("of one issuer leaves the same number of another issuer alone", () => {
    const revocations = index({ serialNumber: "ABC", issuer: issuerHash(AUTHORITY) });
    expect(revocations.find(PATH, HELLO)).toMatchObject({ serialNumber: "ABC" });
    expect(revocations.find([leafOf(OTHER_ROOT), OTHER_ROOT.certificate], HELLO)).toBeUndefined();
  });

  it("of several issuers is found for each of them", () => {
    const issuers = [AUTHORITY, OTHER_ROOT].map(issuerHash);
    const revocations = index(...issuers.map((issuer) => ({ serialNumber: "ABC", issuer: issuer.toUpperCase() })));
    expect(revocations.size).toBe(2);
    expect(revocations.find(PATH, HELLO)).toBeDefined();
    expect(revocations.find([leafOf(OTHER_ROOT), OTHER_ROOT.certificate], HELLO)).toBeDefined();
    expect(revocations.find([leafOf(ROOT), ROOT.certificate], HELLO)).toBeUndefined();
  });

  it("of any issuer includes those that are named", () => {
    const named = { serialNumber: "ABC", issuer: issuerHash(OTHER_ROOT) };
    for (const entries of [
      [named, { serialNumber: "ABC" }],
      [{ serialNumber: "ABC" }, named],
    ]) {
      expect(index(...entries).find(PATH, HELLO)).toBeDefined();
    }
  });

  it("is found by the issuer's own name, however the certificate spells it", () => {
    // The same authority, whose name in the leaf is the one that the list does not have.
    const renamed = mintRoot({ commonName: "AUTHORITY", key: AUTHORITY.key, issuer: ROOT });
    const revocations = index({ serialNumber: "ABC", issuer: issuerHash(renamed) });
    expect(revocations.find([LEAF, renamed.certificate, ROOT.certificate], HELLO)).toBeDefined();
    expect(revocations.find(PATH, HELLO)).toBeUndefined();
  });
});

describe("a revoked identity", () => {
  const revocations = indexRevocations({ certificates: [], identities: [HELLO] });

  it("is found, whatever its certificate", () => {
    expect(revocations.find(PATH, HELLO)).toEqual({ kind: "identity", identity: HELLO });
    expect(revocations.find([], HELLO)).toEqual({ kind: "identity", identity: HELLO });
    expect(describeRevoked({ kind: "identity", identity: HELLO })).toBe(`the identity ${HELLO} is revoked`);
  });

  it("leaves others alone", () => {
    expect(revocations.find(PATH, WORLD)).toBeUndefined();
  });
});

describe("a revoked pod", () => {
  const [pod, other] = [tagOfPodUid("u1"), tagOfPodUid("u2")];
  const serialOf = (tag: typeof pod, fill: number) => formatTaggedSerial(new Uint8Array(20).fill(fill), tag);
  const revocations = indexRevocations({ certificates: [], identities: [], pods: [pod] });

  it("is found by each of its certificates, whichever authority has issued them", () => {
    for (const issuer of [AUTHORITY, OTHER_ROOT]) {
      for (const fill of [0, 0x7f, 0xff]) {
        const revoked = revocations.find([leafOf(issuer, serialOf(pod, fill)), issuer.certificate], HELLO);
        expect(revoked).toMatchObject({ kind: "pod", serialNumber: expect.stringMatching(/^706F64[0-9A-F]{34}$/) });
        expect(revoked && describeRevoked(revoked)).toMatch(
          /^the pod of the certificate 706F64[0-9A-F]{34} is revoked$/,
        );
      }
    }
  });

  it("leaves other pods, certificates without a pod and authorities alone", () => {
    const authority = mintRoot({ commonName: "of a pod?", issuer: ROOT, serialNumber: serialOf(pod, 1) });
    expect(revocations.find([leafOf(AUTHORITY, serialOf(other, 1)), AUTHORITY.certificate], HELLO)).toBeUndefined();
    expect(revocations.find(PATH, HELLO)).toBeUndefined();
    expect(revocations.find([leafOf(authority), authority.certificate, ROOT.certificate], HELLO)).toBeUndefined();
  });
});

describe("two lists of revocations", () => {
  const entries = [{ serialNumber: "ABC" }, { serialNumber: "B", issuer: "00ff" }];
  const pods = [tagOfPodUid("u1"), tagOfPodUid("u2")];
  const list = indexRevocations({ certificates: entries, identities: [HELLO, WORLD], pods });

  it.each([
    {
      name: "in another order",
      certificates: entries.toReversed(),
      identities: [WORLD, HELLO],
      pods: pods.toReversed(),
    },
    {
      name: "with entries repeated",
      certificates: [...entries, ...entries],
      identities: [HELLO, WORLD, HELLO],
      pods: [...pods, ...pods],
    },
    {
      name: "in another spelling",
      certificates: [{ serialNumber: "0abc" }, { serialNumber: "b", issuer: "00FF" }],
      identities: [HELLO, WORLD],
      pods,
    },
  ])("are equal $name", (other) => {
    expect(list.equals(indexRevocations(other))).toBe(true);
    expect(indexRevocations(other).equals(list)).toBe(true);
  });

  it.each([
    { name: "an identity", certificates: entries, identities: [HELLO], pods },
    { name: "a certificate", certificates: entries.slice(1), identities: [HELLO, WORLD], pods },
    {
      name: "an issuer",
      certificates: [{ serialNumber: "ABC" }, { serialNumber: "B" }],
      identities: [HELLO, WORLD],
      pods,
    },
    {
      name: "one of as many",
      certificates: [{ serialNumber: "ABD" }, entries[1] ?? { serialNumber: "" }],
      identities: [HELLO, WORLD],
      pods,
    },
    { name: "a pod", certificates: entries, identities: [HELLO, WORLD], pods: pods.slice(1) },
    {
      name: "one pod of as many",
      certificates: entries,
      identities: [HELLO, WORLD],
      pods: [tagOfPodUid("u1"), tagOfPodUid("u3")],
    },
  ])("are different if $name differs", (other) => {
    expect(list.equals(indexRevocations(other))).toBe(false);
    expect(indexRevocations(other).equals(list)).toBe(false);
  });

  it("are equal if nothing is revoked by either", () => {
    expect(index().equals(undefined)).toBe(true);
    expect(list.equals(undefined)).toBe(false);
  });
});
