import type { X509Certificate } from "node:crypto";
import { readUriSans } from "../../mesh/identity/x509-san.ts";
import type { SecureMaterial } from "../tls/secure-context-source.ts";

/** The own certificate and the trust bundle, without the private key. */
export interface CertificatesView {
  readonly state: "active";
  readonly identity: string;
  /** Incremented with every change of the certificate or the bundle. */
  readonly generation: number;
  readonly not_after: string;
  readonly seconds_left: number;
  readonly chain: readonly CertificateView[];
  readonly trust_domains: readonly string[];
  readonly roots: readonly RootView[];
  /** Foreign trust domains, each with the roots that are trusted for it alone. */
  readonly federated: readonly { readonly trust_domain: string; readonly roots: readonly RootView[] }[];
  /** Certificates and identities of which no peer is accepted. */
  readonly revocations: number;
}

export interface CertificateView {
  /** The URI names, as encoded. */
  readonly subject_ids: readonly string[];
  readonly serial_number: string;
  /** Of the public key: `EC prime256v1`, `RSA 2048`. */
  readonly key: string;
  readonly not_before: string;
  readonly not_after: string;
  readonly sha256: string;
}

export interface RootView {
  readonly subject: string;
  readonly serial_number: string;
  readonly not_before: string;
  readonly not_after: string;
  readonly sha256: string;
}

/** Describes the material in force. */
export function describeCertificates(material: SecureMaterial, nowMs: number): CertificatesView {
  return {
    state: "active",
    identity: material.identity,
    generation: material.generation,
    not_after: new Date(material.notAfterMs).toISOString(),
    seconds_left: Math.floor((material.notAfterMs - nowMs) / 1000),
    chain: material.certificates.map(describeCertificate),
    trust_domains: material.trust.trustDomains,
    roots: material.trust.roots.map(describeRoot),
    federated: (material.trust.federated ?? []).map(({ trustDomain, roots }) => ({
      trust_domain: trustDomain,
      roots: roots.map(describeRoot),
    })),
    revocations: material.trust.revocations?.size ?? 0,
  };
}

function describeRoot(root: X509Certificate): RootView {
  return {
    subject: root.subject ?? "",
    serial_number: root.serialNumber,
    not_before: root.validFromDate.toISOString(),
    not_after: root.validToDate.toISOString(),
    sha256: root.fingerprint256,
  };
}

function describeCertificate(certificate: X509Certificate): CertificateView {
  return {
    subject_ids: readUriSans(certificate.raw),
    serial_number: certificate.serialNumber,
    key: describeKey(certificate),
    not_before: certificate.validFromDate.toISOString(),
    not_after: certificate.validToDate.toISOString(),
    sha256: certificate.fingerprint256,
  };
}

function describeKey({ publicKey }: X509Certificate): string {
  const { namedCurve = "", modulusLength } = publicKey.asymmetricKeyDetails ?? {};
  return `${(publicKey.asymmetricKeyType ?? "unknown").toUpperCase()} ${modulusLength ?? namedCurve}`.trim();
}
