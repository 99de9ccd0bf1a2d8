import { X509Certificate } from "node:crypto";
import type { PeerTrust } from "../../mesh/policy/authentication/peer-trust.ts";
import type { TrustBundle } from "../../mesh/policy/types.ts";
import { WorkloadTlsError } from "./workload-tls-error.ts";

/** A parsed trust bundle. */
export interface TrustAnchors extends PeerTrust {
  /** The root to which new certificates lead. Absent: unknown. */
  readonly signingRoot?: X509Certificate;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** Far more than any chain or bundle has; bounds the work that a bad file or response can cause. */
const MAX_CERTIFICATES = 256;

/**
 * Parses every certificate of a PEM text; comments between them are skipped. A text without any certificate is an
 * error.
 */
export function parseCertificates(pem: string, what: string): readonly X509Certificate[] {
  const blocks = pem.match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new WorkloadTlsError("certificate_pem", `${what} holds no PEM certificate`);
  if (blocks.length > MAX_CERTIFICATES) {
    throw new WorkloadTlsError(
      "certificate_pem",
      `${what} holds ${blocks.length} certificates; at most ${MAX_CERTIFICATES} are read`,
    );
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (caught) {
    throw new WorkloadTlsError("certificate_pem", `${what} holds a certificate that cannot be read`, { cause: caught });
  }
}

/**
 * Parses a bundle as a whole: one unreadable root makes all of it unusable, so that a damaged response never silently
 * removes a root. Only authorities may be roots, or a workload's own certificate could become one.
 */
export function parseTrustAnchors(bundle: TrustBundle): TrustAnchors {
  const roots = bundle.roots.flatMap((pem, index) => parseCertificates(pem, `root ${index + 1} of the trust bundle`));
  if (roots.length === 0) throw new WorkloadTlsError("trust_bundle", "the trust bundle holds no root certificate");
  if (bundle.trustDomains.length === 0)
    throw new WorkloadTlsError("trust_bundle", "the trust bundle names no trust domain");
  const leaf = roots.find((root) => !root.ca);
  if (leaf !== undefined) {
    throw new WorkloadTlsError(
      "trust_bundle",
      `the trust bundle holds certificate ${leaf.serialNumber}, which is not a certificate authority`,
    );
  }
  const signingRoot = findSigningRoot(bundle.signingRoot, roots);
  return { roots, trustDomains: bundle.trustDomains, ...(signingRoot !== undefined && { signingRoot }) };
}

/** One of the roots; a hint that names no root of the bundle says nothing. */
function findSigningRoot(pem: string | undefined, roots: readonly X509Certificate[]): X509Certificate | undefined {
  const [signing] = pem === undefined ? [] : parseCertificates(pem, "the signing root of the trust bundle");
  return roots.find((root) => signing?.raw.equals(root.raw));
}
