import type { X509Certificate } from "node:crypto";
import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { EXTENSION_OID, readExtensions, type X509Extension } from "./x509-extensions.ts";

/** What is wrong with one certificate, apart from its signature. */
export interface CertificateFault {
  readonly reason:
    | "expired"
    | "not_yet_valid"
    | "not_an_authority"
    | "unsupported_constraint"
    | "weak_key"
    | "malformed_certificate";
  readonly message: string;
}

/** What verification understands, here or in OpenSSL's `checkIssued`; certificate policies restrict nothing for us. */
const UNDERSTOOD: readonly string[] = [
  EXTENSION_OID.subjectKeyIdentifier,
  EXTENSION_OID.keyUsage,
  EXTENSION_OID.subjectAltName,
  EXTENSION_OID.basicConstraints,
  EXTENSION_OID.authorityKeyIdentifier,
  EXTENSION_OID.extendedKeyUsage,
  "2.5.29.32",
];

const MIN_RSA_BITS = 2048;

/** Validity (RFC 5280, section 4.1.2.5; both ends included), with all three times in the message: skewed clocks are common. */
export function findValidityFault(certificate: X509Certificate, nowMs: number): CertificateFault | undefined {
  const notBefore = certificate.validFromDate;
  const notAfter = certificate.validToDate;
  const times = `now ${formatTime(nowMs)}, notBefore ${formatTime(notBefore.getTime())}, notAfter ${formatTime(notAfter.getTime())}`;
  const which = describeCertificate(certificate);
  // Written so that an unreadable date (NaN) is a fault.
  if (!(nowMs >= notBefore.getTime())) {
    return { reason: "not_yet_valid", message: `${which} is not valid yet: ${times}; check both clocks` };
  }
  if (!(nowMs <= notAfter.getTime())) return { reason: "expired", message: `${which} has expired: ${times}` };
  return undefined;
}

/** Whether a certificate may be an issuer at the end of `path` (the leaf first): CA flag, path length, constraints, key. */
export function findIssuerFault(
  issuer: X509Certificate,
  path: readonly X509Certificate[],
): CertificateFault | undefined {
  const which = describeCertificate(issuer);
  if (!issuer.ca) {
    return { reason: "not_an_authority", message: `${which} signed a certificate but is no certificate authority` };
  }
  const between = path.slice(1).filter((link) => link.subject !== link.issuer).length;
  return findKeyFault(issuer) ?? findConstraintFault(issuer, between);
}

/** RSA keys under 2048 bits are refused, as OpenSSL's security level 2 does in the handshake. */
export function findKeyFault(certificate: X509Certificate): CertificateFault | undefined {
  const bits = readRsaBits(certificate);
  if (bits === "unreadable") {
    const message = `${describeCertificate(certificate)} has a public key that cannot be read`;
    return { reason: "malformed_certificate", message };
  }
  if (bits === undefined || bits >= MIN_RSA_BITS) return undefined;
  return {
    reason: "weak_key",
    message: `${describeCertificate(certificate)} has an RSA key of ${bits} bits; at least ${MIN_RSA_BITS} are needed`,
  };
}

function readRsaBits(certificate: X509Certificate): number | "unreadable" | undefined {
  try {
    return certificate.publicKey.asymmetricKeyDetails?.modulusLength;
  } catch {
    // OpenSSL decodes the key only now: an unknown algorithm or a point that is not on its curve.
    return "unreadable";
  }
}

/** A critical extension that is not understood makes a certificate unusable (RFC 5280, section 4.2). */
export function findExtensionFault(
  certificate: X509Certificate,
  extensions: readonly X509Extension[],
): CertificateFault | undefined {
  const strange = extensions.find(
    (extension) =>
      extension.oid === EXTENSION_OID.nameConstraints || (extension.critical && !UNDERSTOOD.includes(extension.oid)),
  );
  if (strange === undefined) return undefined;
  const name = strange.oid === EXTENSION_OID.nameConstraints ? "name constraints" : `the extension ${strange.oid}`;
  return {
    reason: "unsupported_constraint",
    message: `${describeCertificate(certificate)} carries ${name}, which is not supported: issue it without`,
  };
}

function findConstraintFault(issuer: X509Certificate, between: number): CertificateFault | undefined {
  try {
    const extensions = readExtensions(issuer.raw);
    const limit = readPathLength(extensions);
    if (limit !== undefined && between > limit) {
      const message = `${describeCertificate(issuer)} allows ${limit} authorities below it, the chain has ${between}`;
      return { reason: "unsupported_constraint", message };
    }
    return findExtensionFault(issuer, extensions);
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return { reason: "malformed_certificate", message: `${describeCertificate(issuer)}: ${caught.message}` };
  }
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

/** Names a certificate by its serial number: the one field that cannot carry foreign text into a log. */
function describeCertificate(certificate: X509Certificate): string {
  return `certificate ${certificate.serialNumber.slice(0, 40)}`;
}

function formatTime(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : "unreadable";
}
