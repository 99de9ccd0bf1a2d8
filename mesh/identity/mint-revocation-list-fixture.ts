/** Creates valid and invalid certificate revocation lists for tests. */
import { sign } from "node:crypto";
import { readCertificateParts } from "./certificate-parts.ts";
import { formatDer, formatInteger, formatOid, formatSequence, formatTime } from "./der-writer.ts";
import type { MintedCertificate, RawExtension } from "./mint-certificate-fixture.ts";

export interface MintListOptions {
  readonly issuer: MintedCertificate;
  /** Who signs. @default the issuer */
  readonly signer?: MintedCertificate;
  readonly entries?: readonly MintListEntry[];
  /** @default 2026-01-01 */
  readonly thisUpdate?: Date;
  /** `undefined`: none. @default 2040-01-01 */
  readonly nextUpdate?: Date | undefined;
  /** @default 2 */
  readonly version?: 1 | 2;
  /** Of the list. @default its number */
  readonly extensions?: readonly RawExtension[];
}

export interface MintListEntry {
  /** Hexadecimal, of an even number of digits; written unchanged as the content of the INTEGER. */
  readonly serialNumber: string;
  readonly extensions?: readonly RawExtension[];
}

const ALGORITHM = { ec: "1.2.840.10045.4.3.2", rsa: "1.2.840.113549.1.1.11" } as const;
const TRUE = formatDer(0x01, Buffer.from([0xff]));
/** CRLNumber 7. */
const LIST_NUMBER: RawExtension = { oid: "2.5.29.20", critical: false, der: formatInteger(Buffer.from([7])) };

/** A list in DER. */
export function mintRevocationList(options: MintListOptions): Buffer {
  return signRevocationList(formatSignedPart(options), options.signer ?? options.issuer);
}

/** Signs anything. */
export function signRevocationList(signedPart: Uint8Array, signer: MintedCertificate): Buffer {
  const signature = formatDer(0x03, Buffer.from([0]), sign("sha256", signedPart, signer.key));
  return formatSequence(signedPart, formatAlgorithm(signer), signature);
}

export function formatSignedPart(options: MintListOptions): Buffer {
  const { issuer, signer = issuer, entries = [], version = 2 } = options;
  const { thisUpdate = new Date("2026-01-01T00:00:00Z"), extensions = version === 2 ? [LIST_NUMBER] : [] } = options;
  const nextUpdate = "nextUpdate" in options ? options.nextUpdate : new Date("2040-01-01T00:00:00Z");
  const written = entries.map((entry) => formatEntry(entry, thisUpdate));
  return formatSequence(
    ...(version === 2 ? [formatInteger(Buffer.from([1]))] : []),
    formatAlgorithm(signer),
    readCertificateParts(issuer.certificate.raw).subject,
    formatTime(thisUpdate),
    ...(nextUpdate === undefined ? [] : [formatTime(nextUpdate)]),
    ...(written.length === 0 ? [] : [formatSequence(...written)]),
    ...(extensions.length === 0 ? [] : [formatDer(0xa0, formatSequence(...extensions.map(formatExtension)))]),
  );
}

export function formatListPem(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
}

function formatEntry({ serialNumber, extensions = [] }: MintListEntry, revokedAt: Date): Buffer {
  return formatSequence(
    formatDer(0x02, Buffer.from(serialNumber, "hex")),
    formatTime(revokedAt),
    ...(extensions.length === 0 ? [] : [formatSequence(...extensions.map(formatExtension))]),
  );
}

function formatAlgorithm({ key }: MintedCertificate): Buffer {
  return key.asymmetricKeyType === "rsa"
    ? formatSequence(formatOid(ALGORITHM.rsa), formatDer(0x05))
    : formatSequence(formatOid(ALGORITHM.ec));
}

function formatExtension({ oid, critical, der }: RawExtension): Buffer {
  return formatSequence(formatOid(oid), ...(critical ? [TRUE] : []), formatDer(0x04, der));
}
