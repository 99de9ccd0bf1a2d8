import { createPrivateKey, X509Certificate } from "node:crypto";
import { BACKDATE_MS, type RootPair } from "../authority/self-signed-root.ts";
import { issuerKeyIdentifier } from "../authority/signing-material.ts";
import { createSerialNumber, type RandomBytes, signCertificateSync } from "../x509/certificate.ts";
import { formatCrossExtensions } from "../x509/extensions.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { readSubjectName } from "../x509/subject-name.ts";

export interface CrossSignInput {
  /** The root that is certified. Its key is not needed. */
  readonly root: Pick<RootPair, "certificatePem">;
  readonly issuer: RootPair;
  readonly nowMs: number;
  readonly randomBytes: RandomBytes;
}

/**
 * Certifies a root by another one: with this certificate beside a leaf, a client that knows only the issuer verifies what
 * the root signs ("new with old", RFC 4210, section 4.4.1). Valid as long as both. PEM.
 */
export function crossSignRoot({ root, issuer, nowMs, randomBytes }: CrossSignInput): string {
  const subject = new X509Certificate(root.certificatePem);
  const signer = new X509Certificate(issuer.certificatePem);
  const publicKeyInfo = formatPublicKey(subject.publicKey);
  const keyIdentifiers = { own: issuerKeyIdentifier(subject), issuer: issuerKeyIdentifier(signer) };
  const template = {
    serialNumber: createSerialNumber(randomBytes),
    issuerName: readSubjectName(signer.raw),
    subjectName: readSubjectName(subject.raw),
    notBeforeMs: Math.max(nowMs - BACKDATE_MS, signer.validFromDate.getTime()),
    notAfterMs: Math.min(subject.validToDate.getTime(), signer.validToDate.getTime()),
    publicKeyInfo,
    extensions: formatCrossExtensions(keyIdentifiers),
  };
  return signCertificateSync(template, createPrivateKey(issuer.keyPem));
}
