import { DER_TAG, DerReader } from "./der-reader.ts";
import { readDerTime } from "./der-time.ts";
import { IdentityError } from "./identity-error.ts";

/** The parsed parts of a certificate, as complete DER elements. */
export interface CertificateParts {
  /** The signature algorithm outside the signed part. */
  readonly signatureAlgorithm: Uint8Array;
  /** The issuer's name. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Uint8Array;
  /** The list of extensions; absent in certificates of version 1. */
  readonly extensions: DerReader | undefined;
}

/** A workload's certificate is about 1 KB; the limit bounds the work for an unverified peer. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;
const CONTEXT = { version: 0xa0, issuerUniqueId: 0x81, subjectUniqueId: 0x82, extensions: 0xa3 } as const;

/**
 * Parses a certificate (RFC 5280, section 4.1) without using its keys, so that nothing expensive happens before the
 * key's type and size are known. Throws an IdentityError if the DER is not strict.
 */
export function readCertificateParts(certificateDer: Uint8Array): CertificateParts {
  if (certificateDer.length > MAX_CERTIFICATE_BYTES) {
    throw new IdentityError("certificate_der", `the certificate is larger than ${MAX_CERTIFICATE_BYTES} bytes`);
  }
  const { whole, certificate, signed } = openCertificate(certificateDer);
  whole.finish("the certificate");
  const signatureAlgorithm = certificate.whole(certificate.expect(DER_TAG.sequence, "the signature algorithm"));
  certificate.expect(DER_TAG.bitString, "the signature");
  certificate.finish("the signature");
  return { signatureAlgorithm, ...readSignedPart(signed) };
}

/** In epoch milliseconds. */
export interface CertificateDates {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * The dates of a certificate (RFC 5280, section 4.1.2.5), whatever else is in it. `X509Certificate` is not asked: OpenSSL and
 * Node read more as a time than the RFC allows, and what Node returns for a time that it cannot read is not defined. Throws
 * an IdentityError.
 */
export function readCertificateDates(certificateDer: Uint8Array): CertificateDates {
  return readHead(openCertificate(certificateDer).signed).dates;
}

function openCertificate(certificateDer: Uint8Array) {
  const whole = new DerReader(certificateDer);
  const certificate = whole.inside(whole.expect(DER_TAG.sequence, "the certificate"));
  const signed = certificate.inside(certificate.expect(DER_TAG.sequence, "the signed part"));
  return { whole, certificate, signed };
}

/** The beginning of the signed part, up to the validity. */
function readHead(signed: DerReader): { readonly issuer: Uint8Array; readonly dates: CertificateDates } {
  signed.optional(CONTEXT.version, "the version");
  signed.expect(DER_TAG.integer, "the serial number");
  signed.expect(DER_TAG.sequence, "the algorithm");
  const issuer = signed.whole(signed.expect(DER_TAG.sequence, "the issuer"));
  return { issuer, dates: readDates(signed.inside(signed.expect(DER_TAG.sequence, "the validity"))) };
}

function readDates(validity: DerReader): CertificateDates {
  const notBeforeMs = readDerTime(validity, validity.next("notBefore"), "notBefore");
  const notAfterMs = readDerTime(validity, validity.next("notAfter"), "notAfter");
  validity.finish("notAfter");
  return { notBeforeMs, notAfterMs };
}

function readSignedPart(signed: DerReader): Omit<CertificateParts, "signatureAlgorithm"> {
  const { issuer } = readHead(signed);
  const subject = signed.whole(signed.expect(DER_TAG.sequence, "the subject"));
  const publicKeyInfo = signed.whole(signed.expect(DER_TAG.sequence, "the public key"));
  signed.optional(CONTEXT.issuerUniqueId, "the issuer's unique id");
  signed.optional(CONTEXT.subjectUniqueId, "the subject's unique id");
  const tagged = signed.optional(CONTEXT.extensions, "the extensions");
  signed.finish("the signed part");
  if (tagged === undefined) return { issuer, subject, publicKeyInfo, extensions: undefined };
  const outer = signed.inside(tagged);
  const extensions = outer.inside(outer.expect(DER_TAG.sequence, "the list of extensions"));
  outer.finish("the list of extensions");
  return { issuer, subject, publicKeyInfo, extensions };
}
