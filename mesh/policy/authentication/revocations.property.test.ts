import type { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { readCertificateParts } from "../../identity/certificate-parts.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { formatTaggedSerial, readPodTag, tagOfPodUid } from "../../identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../identity/serial-number.ts";
import { parseSpiffeId, type SpiffeId } from "../../identity/spiffe-id.ts";
import type { RevokedCertificate } from "../types.ts";
import { hashIssuerName, indexRevocations } from "./revocations.ts";

/** A certificate, and what a list may name of it. */
interface Known {
  readonly certificate: X509Certificate;
  readonly number: bigint;
  readonly issuer: MintedCertificate;
}

const validity = { notBefore: new Date("2025-01-01"), notAfter: new Date("2027-01-01") };
const KEY = mintRoot().key;
const IDENTITIES = ["a", "b", "c"].map((name) => parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${name}`));
/** Few numbers, so that they meet; with leading zeros, a first octet of eight bits, and one that is the end of another. */
const NUMBERS = [0x01, 0x0a, 0x10, 0xa0, 0x0a0a, 0x80ff];
const TAGS = ["u1", "u2", "u3"].map(tagOfPodUid);
const TAGGED = TAGS.map((tag, index) => formatTaggedSerial(new Uint8Array(20).fill(index), tag));
const ROOTS = ["root one", "root two"].map((commonName) => mintRoot({ commonName, key: KEY }));
const AUTHORITIES = ROOTS.flatMap((issuer, index) =>
  [0x0a, 0x10].map((number) => ({
    minted: mintRoot({ commonName: `authority ${index}`, key: KEY, issuer, serialNumber: octetsOf(number) }),
    number: BigInt(number),
    issuer,
  })),
);
const PATHS: readonly (readonly Known[])[] = AUTHORITIES.flatMap(({ minted, number, issuer }) =>
  [...NUMBERS.map(octetsOf), ...TAGGED].map((serialNumber) => {
    const leaf = mintLeaf({ issuer: minted, uriSans: [], ...validity, key: KEY, serialNumber });
    return [
      { certificate: leaf.certificate, number: BigInt(`0x${leaf.certificate.serialNumber}`), issuer: minted },
      { certificate: minted.certificate, number, issuer },
      { certificate: issuer.certificate, number: BigInt(`0x${issuer.certificate.serialNumber}`), issuer },
    ];
  }),
);

function octetsOf(number: number): Uint8Array {
  return number > 0xff ? Uint8Array.of(number >> 8, number & 0xff) : Uint8Array.of(number);
}

function nameOf(issuer: MintedCertificate): string {
  return hashIssuerName(readCertificateParts(issuer.certificate.raw).subject);
}

const NAMES = [...new Set([...ROOTS, ...AUTHORITIES.map(({ minted }) => minted)].map(nameOf))];

/** The same number as people and programs write it. */
const spelled = fc.tuple(fc.constantFrom(...NUMBERS), fc.nat(4), fc.boolean()).map(([number, zeros, isUpper]) => {
  const digits = "0".repeat(zeros) + number.toString(16);
  return isUpper ? digits.toUpperCase() : digits;
});

const revokedCertificate: fc.Arbitrary<RevokedCertificate> = fc
  .tuple(spelled, fc.option(fc.constantFrom(...NAMES)))
  .map(([serialNumber, issuer]) => ({ serialNumber, ...(issuer !== null && { issuer }) }));

/** Compares each entry with each certificate, as numbers. */
function isRevokedNaively(
  path: readonly Known[],
  identity: SpiffeId,
  { certificates, identities, pods = [] }: Parameters<typeof indexRevocations>[0],
): boolean {
  const isListed = ({ number, issuer }: Known): boolean =>
    certificates.some(
      (entry) =>
        BigInt(`0x${entry.serialNumber}`) === number && (entry.issuer === undefined || entry.issuer === nameOf(issuer)),
    );
  const [leaf] = path;
  const isOfPod = pods.some((tag) => tag === readPodTag(normalizeSerialNumber(leaf?.certificate.serialNumber ?? "")));
  return identities.includes(identity) || isOfPod || path.some(isListed);
}

const lists = fc.record({
  certificates: fc.array(revokedCertificate, { maxLength: 4 }),
  identities: fc.subarray([...IDENTITIES], { maxLength: 1 }),
  pods: fc.subarray([...TAGS]),
});

it("two joined lists revoke what one of them does, and are the first one if the second one adds nothing", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PATHS),
      fc.constantFrom(...IDENTITIES),
      lists,
      lists,
      (path, identity, one, other) => {
        const certificates = path.map(({ certificate }) => certificate);
        const [first, second] = [indexRevocations(one), indexRevocations(other)];
        const joined = first.joinedWith(second);
        const isRevoked = [first, second].some((index) => index.find(certificates, identity) !== undefined);
        expect(joined.find(certificates, identity) !== undefined).toBe(isRevoked);
        expect(joined.joinedWith(first)).toBe(joined);
        expect(joined.joinedWith(second)).toBe(joined);
        expect(joined.joinedWith(undefined)).toBe(joined);
        expect(joined.equals(second.joinedWith(first))).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

it("a path is revoked exactly if one of its certificates, its pod or its identity is in the list", () => {
  let revoked = 0;
  let runs = 0;
  fc.assert(
    fc.property(fc.constantFrom(...PATHS), fc.constantFrom(...IDENTITIES), lists, (path, identity, list) => {
      const certificates = path.map(({ certificate }) => certificate);
      const found = indexRevocations(list).find(certificates, identity);
      expect(found !== undefined).toBe(isRevokedNaively(path, identity, list));
      runs += 1;
      if (found !== undefined) revoked += 1;
    }),
    { numRuns: 2000 },
  );
  // Both outcomes are tested often.
  expect(revoked).toBeGreaterThan(runs / 10);
  expect(revoked).toBeLessThan((runs * 9) / 10);
});
