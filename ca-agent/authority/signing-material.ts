import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { hasReadableDates, TLS_USAGES } from "../../mesh/identity/certificate-faults.ts";
import { splitWholeCertificates } from "../../mesh/identity/pem-certificates.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import { EXTENSION_OID, readExtensions } from "../../mesh/identity/x509-extensions.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";
import { readOctetString } from "../x509/der-values.ts";
import { findCrossSigned } from "../x509/find-cross-signed.ts";
import { findKeyFault, formatPublicKey, keyIdentifier } from "../x509/public-key.ts";
import { readSubjectName } from "../x509/subject-name.ts";
import type { AuthorityFiles, RotationMark } from "./authority-files.ts";

/** An authority's certificate, key and roots that passed all checks. */
export interface SigningMaterial {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  /** The subject of the certificate, in DER. */
  readonly name: Buffer;
  readonly keyIdentifier: Buffer;
  /**
   * The certificates sent with a leaf, PEM: the signing certificate first, without roots; empty if a root signs. Then those
   * that other roots of the bundle have issued for the signer or its root: for clients that know only these.
   */
  readonly intermediates: readonly string[];
  /** One PEM certificate each. */
  readonly roots: readonly string[];
  /** Whether they are listed; if not, the signing certificate is the only one. */
  readonly hasBundle: boolean;
  /** From the signing certificate to its root, both included. */
  readonly path: readonly X509Certificate[];
  /** The one of them to which the signing certificate leads. */
  readonly root: X509Certificate;
  /** The earliest expiry of the certificates from the signer to its root. */
  readonly notAfterMs: number;
  readonly rootNotAfterMs: number;
  /** Of the mesh's own root. */
  readonly rotation: RotationMark | undefined;
}

/** Each handshake may try all of them. */
const MAX_ROOTS = 64;

/** Parses the files and checks that they form one authority; throws a CaError that names the file and the fix. */
export function parseSigningMaterial(files: AuthorityFiles, nowMs: number): SigningMaterial {
  const certificatePath = files.locate("certificate");
  const [certificate] = parseCertificates(files.certificatePem, certificatePath);
  if (certificate === undefined) throw new CaError("authority_files", `${certificatePath} contains no PEM certificate`);
  const key = parseKey(files, certificate);
  const roots = parseRoots(files, certificate);
  const chain = parseCertificates(files.chainPem ?? "", files.locate("chain"));
  if (!certificate.ca) {
    throw new CaError(
      "authority_chain",
      `${certificatePath} is not a CA certificate (CA:TRUE is missing): use one that may sign`,
    );
  }
  const verdict = verifyChain({ leaf: certificate, intermediates: chain, roots, nowMs });
  if (verdict.kind === "broken") throw brokenChain(files, verdict.reason, verdict.message);
  refuseNarrowUsage(files, verdict.path);
  const root = verdict.path.at(-1) ?? certificate;
  const path = certificate.raw.equals(root.raw) ? [] : verdict.path.slice(0, -1);
  const crossSigned = findCrossSigned({ path: verdict.path, chain, roots, nowMs });
  return {
    certificate,
    key,
    ...readIssuer(certificate, certificatePath),
    intermediates: [...path, ...crossSigned].map(formatCertificate),
    roots: roots.map(formatCertificate),
    hasBundle: files.rootsPem !== undefined,
    path: certificate.raw.equals(root.raw) ? [root] : verdict.path,
    root,
    notAfterMs: verdict.notAfterMs,
    rootNotAfterMs: root.validToDate.getTime(),
    rotation: files.rotation,
  };
}

function parseKey(files: AuthorityFiles, certificate: X509Certificate): KeyObject {
  const path = files.locate("key");
  const key = importKey(files.keyPem, path);
  if (!certificate.checkPrivateKey(key)) {
    throw new CaError(
      "authority_key",
      `${path} is not the key of ${files.locate("certificate")}: restore the matching pair`,
    );
  }
  const fault = findKeyFault(key);
  if (fault !== undefined) throw new CaError("authority_key", `${path}: ${fault}`);
  return key;
}

function importKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (caught) {
    throw new CaError("authority_key", `${path} contains no readable private key: use PEM without a password`, {
      cause: caught,
    });
  }
}

function parseRoots(files: AuthorityFiles, certificate: X509Certificate): readonly X509Certificate[] {
  if (files.rootsPem === undefined) return [certificate];
  const path = files.locate("roots");
  const roots = parseCertificates(files.rootsPem, path);
  if (roots.length === 0) throw new CaError("authority_files", `${path} contains no PEM certificate`);
  if (roots.length > MAX_ROOTS) {
    throw new CaError("authority_files", `${path} contains ${roots.length} certificates, the limit is ${MAX_ROOTS}`);
  }
  const leaf = roots.find((root) => !root.ca);
  if (leaf !== undefined) {
    throw new CaError(
      "authority_chain",
      `${path} contains certificate ${leaf.serialNumber}, which is not a CA certificate`,
    );
  }
  const undated = roots.find((root) => !hasReadableDates(root));
  if (undated !== undefined) {
    const message = `${path} contains certificate ${undated.serialNumber}, whose dates cannot be read: remove it`;
    throw new CaError("authority_chain", message);
  }
  return roots;
}

function parseCertificates(pem: string, path: string): readonly X509Certificate[] {
  try {
    return splitWholeCertificates(pem).map((block) => new X509Certificate(block));
  } catch (caught) {
    const message = caught instanceof Error ? caught.message : String(caught);
    throw new CaError("authority_files", `${path} contains an unreadable certificate (${message})`, { cause: caught });
  }
}

const FIXES: Readonly<Record<string, string>> = {
  expired: "renew it",
  not_yet_valid: "it is looked at again when it is valid",
  unsupported_constraint: "replace that certificate",
};

/**
 * OpenSSL restricts leaves to the extended key usages of all their authorities, the root included, and does not count
 * `anyExtendedKeyUsage`: no handshake of the mesh would succeed.
 */
function refuseNarrowUsage(files: AuthorityFiles, path: readonly X509Certificate[]): void {
  const narrow = path.find(({ keyUsage }) => keyUsage && !TLS_USAGES.every((usage) => keyUsage.includes(usage)));
  if (narrow === undefined) return;
  throw new CaError(
    "authority_chain",
    `${files.locate("certificate")} leads to its root by the certificate ${narrow.serialNumber}, whose extended key usage does ` +
      "not allow TLS servers and TLS clients: issue it with both (serverAuth, clientAuth), or without that extension",
  );
}

function brokenChain(files: AuthorityFiles, reason: string, message: string): CaError {
  const where = `${files.locate("certificate")} does not lead to its root`;
  const fix =
    FIXES[reason] ??
    `check that ${files.locate("roots")} contains its root and ${files.locate("chain")} the intermediates`;
  return new CaError("authority_chain", `${where}: ${message}; ${fix}`, { details: { reason } });
}

/** What leaves copy from their issuer. OpenSSL reads more encodings than DER, and a copy must have only one. */
function readIssuer(certificate: X509Certificate, path: string): Pick<SigningMaterial, "name" | "keyIdentifier"> {
  try {
    return { name: readSubjectName(certificate.raw), keyIdentifier: issuerKeyIdentifier(certificate) };
  } catch (caught) {
    const { message } = MeshError.from(caught);
    throw new CaError("authority_chain", `${path} is not in DER (${message}): issue it again`, { cause: caught });
  }
}

/** The issuer's own subject key identifier, because verifiers compare it; computed if the issuer has none. */
export function issuerKeyIdentifier(certificate: X509Certificate): Buffer {
  const extension = readExtensions(certificate.raw).find(({ oid }) => oid === EXTENSION_OID.subjectKeyIdentifier);
  return extension === undefined
    ? keyIdentifier(formatPublicKey(certificate.publicKey))
    : readOctetString(extension.value);
}

function formatCertificate(certificate: X509Certificate): string {
  return certificate.toString();
}
