import { readCertificateParts } from "./certificate-parts.ts";
import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { findPublicKeyFault, type PublicKeyFault } from "./public-key-rules.ts";
import { findSignatureAlgorithm } from "./signature-algorithms.ts";
import { readOid } from "./x509-extensions.ts";

/** Includes the leaf, excludes the root: more than a mesh's PKI needs. */
export const MAX_CHAIN_CERTIFICATES = 5;

/** For all certificates of a chain together. A P-256 leaf has 0.6 KB, an RSA-8192 CA certificate 2.5 KB. */
export const MAX_CHAIN_BYTES = 16 * 1024;

/** Why a chain is not verified at all. Stable: metrics use it as a label. */
export interface ChainLimitFault {
  readonly reason: PublicKeyFault["reason"] | "chain_too_long" | "unsupported_signature" | "malformed_certificate";
  readonly message: string;
}

/**
 * Checks a peer's certificates, in DER and in any order, before any of their keys is used: their number, size, key
 * types and signature algorithms. A chain that passes costs at most one verification per certificate, each with an
 * allowed key. A chain that fails costs only parsing.
 */
export function findChainLimitFault(chain: readonly Uint8Array[]): ChainLimitFault | undefined {
  if (chain.length > MAX_CHAIN_CERTIFICATES) {
    const message = `the peer sent ${chain.length} certificates; at most ${MAX_CHAIN_CERTIFICATES} are accepted`;
    return { reason: "chain_too_long", message };
  }
  const bytes = chain.reduce((sum, certificate) => sum + certificate.length, 0);
  if (bytes > MAX_CHAIN_BYTES) {
    const message = `the peer sent certificates of ${bytes} bytes; at most ${MAX_CHAIN_BYTES} are accepted`;
    return { reason: "chain_too_long", message };
  }
  for (const [index, certificate] of chain.entries()) {
    const fault = findCertificateFault(certificate);
    if (fault !== undefined) return { ...fault, message: `certificate ${index + 1} of the peer ${fault.message}` };
  }
  return undefined;
}

function findCertificateFault(certificate: Uint8Array): ChainLimitFault | undefined {
  try {
    const { signatureAlgorithm, publicKeyInfo } = readCertificateParts(certificate);
    const oid = readAlgorithm(signatureAlgorithm);
    if (findSignatureAlgorithm(oid) === undefined) {
      const message = `is signed with the algorithm ${oid}, which is not accepted: use ECDSA or RSA with SHA-256`;
      return { reason: "unsupported_signature", message };
    }
    return findPublicKeyFault(publicKeyInfo);
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return { reason: "malformed_certificate", message: `cannot be parsed: ${caught.message}` };
  }
}

function readAlgorithm(identifier: Uint8Array): string {
  const outer = new DerReader(identifier);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the signature algorithm"));
  return readOid(fields.content(fields.expect(DER_TAG.objectIdentifier, "the signature algorithm")));
}
