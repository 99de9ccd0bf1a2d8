import type { X509Certificate } from "node:crypto";
import { type CertificateDates, readCertificateDates, readCertificateParts } from "./certificate-parts.ts";
import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { findPublicKeyFault, type PublicKeyFault } from "./public-key-rules.ts";
import { EXTENSION_OID, readExtensions, type X509Extension } from "./x509-extensions.ts";

/** A fault of one certificate, apart from its signature. */
export interface CertificateFault {
  readonly reason:
    | "expired"
    | "not_yet_valid"
    | "not_an_authority"
    | "unsupported_constraint"
    | PublicKeyFault["reason"]
    | "malformed_certificate";
  readonly message: string;
}

/**
 * The extensions that are understood, here or in OpenSSL's `checkIssued`; certificate policies restrict nothing for us.
 */
const UNDERSTOOD: readonly string[] = [
  EXTENSION_OID.subjectKeyIdentifier,
  EXTENSION_OID.keyUsage,
  EXTENSION_OID.subjectAltName,
  EXTENSION_OID.basicConstraints,
  EXTENSION_OID.authorityKeyIdentifier,
  EXTENSION_OID.extendedKeyUsage,
  "2.5.29.32",
];

/**
 * Validity (RFC 5280, section 4.1.2.5; both ends included). The message contains all three times: clock skew is common.
 */
export function findValidityFault(certificate: X509Certificate, nowMs: number): CertificateFault | undefined {
  const dates = readDates(certificate);
  if (dates === undefined) {
    const message = `${describeCertificate(certificate)} has dates that cannot be read`;
    return { reason: "malformed_certificate", message };
  }
  const { notBeforeMs, notAfterMs } = dates;
  // Written so that an unknown time (NaN) is a fault.
  if (nowMs >= notBeforeMs && nowMs <= notAfterMs) return undefined;
  const which = describeCertificate(certificate);
  const times = `now ${formatTime(nowMs)}, notBefore ${formatTime(notBeforeMs)}, notAfter ${formatTime(notAfterMs)}`;
  return nowMs >= notBeforeMs
    ? { reason: "expired", message: `${which} has expired: ${times}` }
    : { reason: "not_yet_valid", message: `${which} is not valid yet: ${times}; check both clocks` };
}

/** Whether both dates are dates. OpenSSL reads certificates in which they are not. */
export function hasReadableDates(certificate: X509Certificate): boolean {
  return readDates(certificate) !== undefined;
}

function readDates({ raw }: X509Certificate): CertificateDates | undefined {
  try {
    return readCertificateDates(raw);
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return undefined;
  }
}

/** Whether a certificate may be an issuer at all: CA flag, dates that can be read, key, extensions. */
export function findIssuerFault(issuer: X509Certificate): CertificateFault | undefined {
  if (!issuer.ca) {
    const message = `${describeCertificate(issuer)} issued a certificate but is not a CA certificate`;
    return { reason: "not_an_authority", message };
  }
  // The key is a part of the certificate, which is read with its dates.
  return readable(issuer, () => findKeyFault(issuer) ?? findExtensionFault(issuer, readExtensions(issuer.raw)));
}

/** The extended key usages of TLS servers and TLS clients. */
export const TLS_USAGES: readonly string[] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];

/**
 * Whether an authority's extended key usages allow its certificates in TLS at all. OpenSSL restricts a chain to those of
 * each certificate, the root included, and does not count `anyExtendedKeyUsage`; RFC 5280 restricts leaves alone.
 */
export function findUsageFault(issuer: X509Certificate): CertificateFault | undefined {
  const { keyUsage: usages } = issuer;
  if (usages === undefined || TLS_USAGES.some((usage) => usages.includes(usage))) return undefined;
  const message =
    `${describeCertificate(issuer)} has an extended key usage that allows neither TLS servers nor TLS clients: issue it ` +
    "with both (serverAuth, clientAuth), or without that extension";
  return { reason: "unsupported_constraint", message };
}

/**
 * Whether each issuer of a path (leaf first) allows the number of CA certificates below it (RFC 5280, section 4.2.1.9).
 */
export function findPathLengthFault(path: readonly X509Certificate[]): CertificateFault | undefined {
  for (const [index, issuer] of path.entries()) {
    const between = path.slice(1, index).filter((link) => link.subject !== link.issuer).length;
    const fault = index === 0 ? undefined : readable(issuer, () => findLengthFault(issuer, between));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function findLengthFault(issuer: X509Certificate, between: number): CertificateFault | undefined {
  const limit = readPathLength(readExtensions(issuer.raw));
  if (limit === undefined || between <= limit) return undefined;
  const message = `${describeCertificate(issuer)} allows ${limit} intermediates below it, but the chain has ${between}`;
  return { reason: "unsupported_constraint", message };
}

function readable(
  certificate: X509Certificate,
  find: () => CertificateFault | undefined,
): CertificateFault | undefined {
  try {
    return find();
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return { reason: "malformed_certificate", message: `${describeCertificate(certificate)}: ${caught.message}` };
  }
}

/** Checks the key type and size; applies to the leaf and to each issuer. */
export function findKeyFault(certificate: X509Certificate): CertificateFault | undefined {
  const { publicKeyInfo } = readCertificateParts(certificate.raw);
  const fault = findPublicKeyFault(publicKeyInfo);
  return fault && { ...fault, message: `${describeCertificate(certificate)} ${fault.message}` };
}

/** A certificate with an unknown critical extension must be rejected (RFC 5280, section 4.2). */
export function findExtensionFault(
  certificate: X509Certificate,
  extensions: readonly X509Extension[],
): CertificateFault | undefined {
  const unknown = extensions.find(
    (extension) =>
      extension.oid === EXTENSION_OID.nameConstraints || (extension.critical && !UNDERSTOOD.includes(extension.oid)),
  );
  if (unknown === undefined) return undefined;
  const name = unknown.oid === EXTENSION_OID.nameConstraints ? "name constraints" : `the extension ${unknown.oid}`;
  return {
    reason: "unsupported_constraint",
    message: `${describeCertificate(certificate)} has ${name}, which is not supported: issue it without`,
  };
}

function readPathLength(extensions: readonly X509Extension[]): number | undefined {
  const extension = extensions.find((candidate) => candidate.oid === EXTENSION_OID.basicConstraints);
  if (extension === undefined) return undefined;
  const outer = new DerReader(extension.value);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the basic constraints"));
  outer.finish("the basic constraints");
  fields.optional(DER_TAG.boolean, "the authority flag");
  const limit = fields.optional(DER_TAG.integer, "the path length");
  fields.finish("the path length");
  if (limit === undefined) return undefined;
  const content = fields.content(limit);
  const [octet] = content;
  if (content.length !== 1 || octet === undefined || octet > 0x7f) {
    throw new IdentityError("certificate_der", "the path length is not a number from 0 to 127");
  }
  return octet;
}

/** Names a certificate by its serial number: the only field that cannot inject text into a log. */
function describeCertificate(certificate: X509Certificate): string {
  return `certificate ${certificate.serialNumber.slice(0, 40)}`;
}

function formatTime(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : "unreadable";
}
