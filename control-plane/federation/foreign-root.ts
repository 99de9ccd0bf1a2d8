import { X509Certificate } from "node:crypto";
import { findIssuerFault, findUsageFault } from "../../mesh/identity/certificate-faults.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";

/** Of one source. Trust domains have one or two; each root costs every proxy memory. */
const MAX_ROOTS = 16;
/** One with an RSA key of 8192 bits has 3 KB. With 32 domains, the trust bundle is far below what a proxy receives (16 MB). */
const MAX_ROOT_BYTES = 8 * 1024;

/**
 * Parses the roots of a foreign trust domain from PEM, one for each certificate. Throws an Error with the reason if one
 * of them cannot be used, or if there is anything but certificates: what is left out silently would be missed later.
 */
export function parseForeignRoots(pem: string): readonly string[] {
  const blocks = splitCertificates(pem);
  if (blocks.length === 0) throw new Error("it holds no PEM certificate");
  if (pem.split("-----BEGIN ").length - 1 !== blocks.length) {
    throw new Error("it holds something else than whole PEM certificates: give the CA certificates alone");
  }
  return uniqueRoots(blocks.map((block, index) => parseForeignRoot(block, `certificate ${index + 1}`)));
}

/** Parses one root in DER or PEM; throws an Error with the reason if it cannot be used. @param what names it. */
export function parseForeignRoot(certificate: string | Buffer, what: string): X509Certificate {
  // Before OpenSSL decodes it, whose time grows with the size.
  const bytes = typeof certificate === "string" ? bytesOf(certificate) : certificate.length;
  if (bytes > MAX_ROOT_BYTES) {
    throw new Error(`${what} has ${bytes} bytes; at most ${MAX_ROOT_BYTES} are accepted`);
  }
  const root = readCertificate(certificate, what);
  // The key's type and size first: a verification with any key could take long.
  const fault = findIssuerFault(root) ?? findUsageFault(root);
  if (fault !== undefined) throw new Error(`${what}: ${fault.message}`);
  // OpenSSL accepts no other anchor; and nobody can publish one with the key of another authority.
  if (!root.checkIssued(root) || !root.verify(root.publicKey)) {
    throw new Error(`${what} is not self-signed: give the root certificate, not an intermediate`);
  }
  return root;
}

/** PEM, without repetitions. Throws an Error if there are too many. */
export function uniqueRoots(roots: readonly X509Certificate[]): readonly string[] {
  const unique = [...new Set(roots.map((root) => root.toString()))];
  if (unique.length > MAX_ROOTS) throw new Error(`it holds ${unique.length} roots; at most ${MAX_ROOTS} are accepted`);
  return unique;
}

function bytesOf(pem: string): number {
  return Math.floor((pem.replaceAll(/-----[A-Z ]+-----|[\s=]/g, "").length * 3) / 4);
}

function readCertificate(certificate: string | Buffer, what: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new Error(`${what} cannot be read`, { cause });
  }
}
