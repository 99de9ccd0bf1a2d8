import { hash, X509Certificate } from "node:crypto";
import { hasReadableDates } from "../../mesh/identity/certificate-faults.ts";
import { splitWholeCertificates } from "../../mesh/identity/pem-certificates.ts";
import { type FederatedRoots, federateRoots, type PeerTrust } from "../../mesh/policy/authentication/peer-trust.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import type { FederatedDomain, TrustBundle } from "../../mesh/policy/types.ts";
import { WorkloadTlsError } from "./workload-tls-error.ts";

/** A parsed trust bundle. */
export interface TrustAnchors extends PeerTrust {
  /** The root to which new certificates lead. Absent: unknown. */
  readonly signingRoot?: X509Certificate;
}

/** Far more than any chain or bundle has; bounds the work that a bad file or response can cause. */
const MAX_CERTIFICATES = 256;

/**
 * Parses every certificate of a PEM text; comments between them are skipped. A text without any certificate is an
 * error, and so is one with a certificate that is not complete.
 */
export function parseCertificates(pem: string, what: string): readonly X509Certificate[] {
  const blocks = splitBlocks(pem, what);
  if (blocks.length === 0) throw new WorkloadTlsError("certificate_pem", `${what} holds no PEM certificate`);
  if (blocks.length > MAX_CERTIFICATES) {
    throw new WorkloadTlsError(
      "certificate_pem",
      `${what} holds ${blocks.length} certificates; at most ${MAX_CERTIFICATES} are read`,
    );
  }
  return blocks.map((block) => parseCertificate(block, what));
}

function splitBlocks(pem: string, what: string): readonly string[] {
  try {
    return splitWholeCertificates(pem);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new WorkloadTlsError("certificate_pem", `${what} cannot be read: ${message}`, { cause });
  }
}

function parseCertificate(block: string, what: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch (cause) {
    const details = { fingerprint: fingerprintOfBlock(block) };
    throw new WorkloadTlsError("certificate_pem", `${what} holds a certificate that cannot be read`, {
      cause,
      details,
    });
  }
}

/** As `X509Certificate.fingerprint256`, also of what is no certificate. */
function fingerprintOfBlock(block: string): string {
  const der = Buffer.from(block.replaceAll(/-----[A-Z ]+-----/g, ""), "base64");
  return hash("sha256", der)
    .toUpperCase()
    .replaceAll(/..(?!$)/g, "$&:");
}

/**
 * Parses a bundle as a whole: one unreadable root or revocation makes all of it unusable, so that a damaged response
 * never silently removes one. Only authorities may be roots, or a workload's own certificate could become one.
 * @param known the bundle in force: its roots of a foreign domain stay while the control plane does not know them all.
 */
export function parseTrustAnchors(bundle: TrustBundle, known?: TrustAnchors): TrustAnchors {
  const roots = bundle.roots.flatMap((pem, index) => parseRoots(pem, `root ${index + 1} of the trust bundle`));
  if (roots.length === 0) throw new WorkloadTlsError("trust_bundle", "the trust bundle holds no root certificate");
  if (bundle.trustDomains.length === 0)
    throw new WorkloadTlsError("trust_bundle", "the trust bundle names no trust domain");
  const signingRoot = findSigningRoot(bundle.signingRoot, roots);
  const federated = parseFederated(bundle, known);
  return {
    ...{ roots, trustDomains: bundle.trustDomains },
    ...(signingRoot !== undefined && { signingRoot }),
    ...(federated.length > 0 && { federated }),
    ...(bundle.revocations !== undefined && { revocations: indexRevocations(bundle.revocations) }),
  };
}

/** Domains with the same roots share one list, so that a chain is verified by it once. */
function parseFederated(bundle: TrustBundle, known: TrustAnchors | undefined): readonly FederatedRoots[] {
  const parsed = new Map<string, readonly X509Certificate[]>();
  return (bundle.federated ?? []).flatMap((domain): readonly FederatedRoots[] => {
    const { trustDomain } = domain;
    if (bundle.trustDomains.includes(trustDomain)) {
      const message = `the trust bundle has foreign roots for ${trustDomain}, a trust domain of the mesh itself`;
      throw new WorkloadTlsError("trust_bundle", message);
    }
    const pems = listForeignRoots(domain, known);
    const roots = parsed.get(pems.join("")) ?? pems.flatMap((pem) => parseRoots(pem, `a root of ${trustDomain}`));
    parsed.set(pems.join(""), roots);
    return roots.length === 0 ? [] : [federateRoots(trustDomain, roots)];
  });
}

/** PEM. Those that are in force stay while the control plane does not know them all. */
function listForeignRoots(domain: FederatedDomain, known: TrustAnchors | undefined): readonly string[] {
  if (domain.incomplete !== true) return domain.roots;
  const inForce = known?.federated?.find(({ trustDomain }) => trustDomain === domain.trustDomain);
  return [...new Set([...domain.roots, ...(inForce?.roots ?? []).map((root) => root.toString())])];
}

function parseRoots(pem: string, what: string): readonly X509Certificate[] {
  const roots = parseCertificates(pem, what);
  for (const root of roots) {
    const fault = findRootFault(root);
    if (fault === undefined) continue;
    const message = `the trust bundle holds certificate ${root.serialNumber}, which ${fault}`;
    throw new WorkloadTlsError("trust_bundle", message, { details: { fingerprint: root.fingerprint256 } });
  }
  return roots;
}

function findRootFault(root: X509Certificate): string | undefined {
  if (!root.ca) return "is not a certificate authority";
  return hasReadableDates(root) ? undefined : "has dates that cannot be read";
}

/** One of the roots; a hint that names no root of the bundle says nothing. */
function findSigningRoot(pem: string | undefined, roots: readonly X509Certificate[]): X509Certificate | undefined {
  const [signing] = pem === undefined ? [] : parseCertificates(pem, "the signing root of the trust bundle");
  return roots.find((root) => signing?.raw.equals(root.raw));
}
