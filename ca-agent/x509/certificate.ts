import { type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { formatTaggedSerial, type PodTag, TAGGED_SERIAL_BYTES } from "../../mesh/identity/pod-tag.ts";
import {
  type DerValue,
  formatBitString,
  formatDer,
  formatExplicit,
  formatInteger,
  formatOid,
  formatSequence,
  formatSet,
  formatTime,
  formatUtf8String,
  parseDer,
} from "./der-values.ts";
import { formatPem } from "./pem.ts";
import { formatSignatureAlgorithm } from "./signature-algorithm.ts";

/** All variable parts of a certificate. */
export interface CertificateTemplate {
  /** From `createSerialNumber` or `createWorkloadSerial`. */
  readonly serialNumber: Uint8Array;
  /** The issuer's Name in DER, copied byte by byte: verifiers compare names as bytes. */
  readonly issuerName: Uint8Array;
  readonly subjectName: Uint8Array;
  readonly notBeforeMs: number;
  /** Rounded down to the second. */
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo, in DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly extensions: readonly DerValue[];
}

export type RandomBytes = (size: number) => Uint8Array;

const X509_V3 = Uint8Array.of(2);
const ORGANIZATION_NAME = "2.5.4.10";
const signInThreadPool = promisify(sign);

/** A Name with an organisation; without one, the empty Name of workload certificates. */
export function formatName(organization?: string): Buffer {
  if (organization === undefined) return formatDer(formatSequence([]));
  const attribute = formatSequence([formatOid(ORGANIZATION_NAME), formatUtf8String(organization)]);
  return formatDer(formatSequence([formatSet([attribute])]));
}

/**
 * 16 random bytes with the first two bits fixed: always positive, never zero, never padded (RFC 5280, section 4.1.2.2).
 * With 126 random bits, a serial number does not reveal the previous one.
 */
export function createSerialNumber(randomBytes: RandomBytes): Uint8Array {
  const octets = Uint8Array.from(randomBytes(16));
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

/** 20 octets, 72 of their bits random: with the tag of the workload's pod, or without a pod with a random one. */
export function createWorkloadSerial(randomBytes: RandomBytes, tag?: PodTag): Uint8Array {
  return formatTaggedSerial(randomBytes(TAGGED_SERIAL_BYTES), tag);
}

/** Signs on the calling thread: for the few certificates that the control plane creates for itself. PEM. */
export function signCertificateSync(template: CertificateTemplate, issuerKey: KeyObject): string {
  const unsigned = formatUnsigned(template, issuerKey);
  return assemble(unsigned, issuerKey, sign("sha256", formatDer(unsigned), issuerKey));
}

/**
 * Signs in the thread pool if the authority has an RSA key, which would block the event loop for milliseconds. An ECDSA
 * signature takes less time than the way to another thread and back. PEM.
 */
export async function signCertificate(template: CertificateTemplate, issuerKey: KeyObject): Promise<string> {
  if (issuerKey.asymmetricKeyType !== "rsa") return signCertificateSync(template, issuerKey);
  const unsigned = formatUnsigned(template, issuerKey);
  return assemble(unsigned, issuerKey, await signInThreadPool("sha256", formatDer(unsigned), issuerKey));
}

function formatUnsigned(template: CertificateTemplate, issuerKey: KeyObject): DerValue {
  return formatSequence([
    formatExplicit(0, [formatInteger(X509_V3)]),
    formatInteger(template.serialNumber),
    formatSignatureAlgorithm(issuerKey),
    parseDer(template.issuerName),
    formatSequence([formatTime(template.notBeforeMs), formatTime(template.notAfterMs)]),
    parseDer(template.subjectName),
    parseDer(template.publicKeyInfo),
    formatExplicit(3, [formatSequence(template.extensions)]),
  ]);
}

function assemble(unsigned: DerValue, issuerKey: KeyObject, signature: Uint8Array): string {
  const certificate = formatSequence([unsigned, formatSignatureAlgorithm(issuerKey), formatBitString(signature)]);
  return formatPem("CERTIFICATE", formatDer(certificate));
}
