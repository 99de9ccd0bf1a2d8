/**
 * Certificate chains of an attacker: valid DER, and as expensive to verify as possible. The leaf has a P-256 key whose
 * owner can complete a handshake; the certificates above it need no private key.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { formatDer, formatInteger, formatOid, formatSequence, formatTime } from "./der-writer.ts";

/** A public key that produces signatures without a private key. */
export interface HostileKey {
  readonly publicKeyInfo: Buffer;
  /** The AlgorithmIdentifier of its signatures. */
  readonly signatureAlgorithm: Buffer;
  readonly sign: (message: Uint8Array) => Buffer;
}

/** A key that its holder can use, too. */
export type SigningKey = HostileKey & { readonly key: KeyObject };

export interface HostileChain {
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[];
  /** The leaf's private key. */
  readonly key: KeyObject;
}

const ONE = formatInteger(Buffer.from([1]));
const OID = {
  dsa: "1.2.840.10040.4.1",
  dsaWithSha256: "2.16.840.1.101.3.4.3.2",
  rsa: "1.2.840.113549.1.1.1",
  rsaWithSha256: "1.2.840.113549.1.1.11",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  basicConstraints: "2.5.29.19",
  subjectAltName: "2.5.29.17",
} as const;

/** DSA with g = y = 1: the signature (1, 1) is valid for every message. OpenSSL accepts up to 10,000 bits. */
export function hostileDsaKey(bits = 10_000): HostileKey {
  const parameters = formatSequence(formatInteger(oddNumber(bits)), formatInteger(oddNumber(256)), ONE);
  return {
    publicKeyInfo: formatPublicKeyInfo(formatSequence(formatOid(OID.dsa), parameters), ONE),
    signatureAlgorithm: formatSequence(formatOid(OID.dsaWithSha256)),
    sign: () => formatSequence(ONE, ONE),
  };
}

/** RSA with a random modulus. The signature is random and therefore invalid, but costs the same to verify. */
export function hostileRsaKey(bits: number, exponent: Uint8Array): HostileKey {
  const key = formatSequence(formatInteger(oddNumber(bits)), formatInteger(exponent));
  return {
    publicKeyInfo: formatPublicKeyInfo(formatSequence(formatOid(OID.rsa), formatDer(0x05)), key),
    signatureAlgorithm: formatSequence(formatOid(OID.rsaWithSha256), formatDer(0x05)),
    sign: () => Buffer.concat([Buffer.from([0x3f]), randomBytes(bits / 8 - 1)]),
  };
}

/** A key of any other kind, by its SubjectPublicKeyInfo; the signature is random. */
export function hostileKeyOf(publicKeyInfo: Buffer, algorithmOid: string, signatureBytes: number): HostileKey {
  const signatureAlgorithm = formatSequence(formatOid(algorithmOid));
  return { publicKeyInfo, signatureAlgorithm, sign: () => randomBytes(signatureBytes) };
}

/** A valid P-256 key. */
export function ecKey(): SigningKey {
  return signingKey("P-256");
}

/** A key on a named curve with valid signatures. */
export function signingKey(namedCurve: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  return {
    key: privateKey,
    publicKeyInfo: publicKey.export({ type: "spki", format: "der" }),
    signatureAlgorithm: formatSequence(formatOid(OID.ecdsaWithSha256)),
    sign: (message) => sign("sha256", message, privateKey),
  };
}

/** Each CA certificate is issued by the next one. */
export function mintLadder(authorities: readonly HostileKey[], leaf: SigningKey = ecKey()): HostileChain {
  const all = [leaf, ...authorities];
  const certificates = all.map((key, index) =>
    mintHostile({
      key,
      signer: all[index + 1] ?? key,
      subject: `${index}`,
      issuer: `${index + 1}`,
      isLeaf: index === 0,
    }),
  );
  return { certificates, key: leaf.key };
}

/** All CA certificates have the same name and key, so that each could have issued each: a search has factorial cost. */
export function mintCrossIssued(key: HostileKey, count: number): HostileChain {
  const leaf = ecKey();
  const names = { subject: "x", issuer: "x" };
  const authorities = Array.from({ length: count }, () => mintHostile({ key, signer: key, ...names, isLeaf: false }));
  const first = mintHostile({ key: leaf, signer: key, subject: "leaf", issuer: "x", isLeaf: true });
  return { certificates: [first, ...authorities], key: leaf.key };
}

/** PEM in one text, as TLS clients accept it. */
export function formatChainPem(chain: HostileChain): string {
  const blocks = chain.certificates.map(
    (der) =>
      der
        .toString("base64")
        .match(/.{1,64}/g)
        ?.join("\n") ?? "",
  );
  return blocks.map((block) => `-----BEGIN CERTIFICATE-----\n${block}\n-----END CERTIFICATE-----\n`).join("");
}

interface HostileCertificate {
  readonly key: HostileKey;
  readonly signer: HostileKey;
  readonly subject: string;
  readonly issuer: string;
  readonly isLeaf: boolean;
}

function mintHostile({ key, signer, subject, issuer, isLeaf }: HostileCertificate): Buffer {
  const uri = formatDer(0x86, Buffer.from("spiffe://cluster.local/ns/ns1/sa/default"));
  const isAuthority = formatSequence(formatDer(0x01, Buffer.from([0xff])));
  const extension = isLeaf
    ? formatExtension(OID.subjectAltName, formatSequence(uri))
    : formatExtension(OID.basicConstraints, isAuthority);
  const signed = formatSequence(
    formatDer(0xa0, formatInteger(Buffer.from([2]))),
    formatInteger(Buffer.concat([Buffer.from([0x40]), randomBytes(7)])),
    signer.signatureAlgorithm,
    formatName(issuer),
    formatSequence(formatTime(new Date("2020-01-01")), formatTime(new Date("2045-01-01"))),
    formatName(subject),
    key.publicKeyInfo,
    formatDer(0xa3, formatSequence(extension)),
  );
  return formatSequence(signed, signer.signatureAlgorithm, formatBits(signer.sign(signed)));
}

function formatExtension(oid: string, value: Buffer): Buffer {
  return formatSequence(formatOid(oid), formatDer(0x04, value));
}

function formatName(commonName: string): Buffer {
  const attribute = formatSequence(formatOid("2.5.4.3"), formatDer(0x0c, Buffer.from(commonName)));
  return formatSequence(formatDer(0x31, attribute));
}

export function formatPublicKeyInfo(algorithm: Buffer, bits: Uint8Array): Buffer {
  return formatSequence(algorithm, formatBits(bits));
}

function formatBits(octets: Uint8Array): Buffer {
  return formatDer(0x03, Buffer.from([0]), octets);
}

function oddNumber(bits: number): Buffer {
  const octets = randomBytes(bits / 8);
  octets[0] = (octets[0] ?? 0) | 0x80;
  octets[octets.length - 1] = (octets.at(-1) ?? 0) | 1;
  return octets;
}
