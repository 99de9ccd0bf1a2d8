import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import {
  createSerialNumber,
  formatName,
  type RandomBytes,
  signCertificateSync,
} from "../../ca-agent/x509/certificate.ts";
import { formatLeafExtensions, formatRootExtensions } from "../../ca-agent/x509/extensions.ts";
import { formatPublicKey, keyIdentifier } from "../../ca-agent/x509/public-key.ts";
import { readSubjectName } from "../../ca-agent/x509/subject-name.ts";
import type { ServingPair } from "../serving/serving-certificate.ts";

/**
 * The authority of the webhook's certificates, and of nothing else: only the `caBundle` of the webhook configurations
 * trusts it. All PEM.
 */
export interface WebhookAuthority {
  readonly certificate: string;
  /** PKCS#8. */
  readonly key: string;
}

/** A serving certificate and when to replace it. */
export interface SignedServingPair extends ServingPair {
  readonly notBeforeMs: number;
  readonly renewAtMs: number;
  readonly notAfterMs: number;
}

interface Moment {
  readonly nowMs: number;
  readonly randomBytes: RandomBytes;
}

const DAY_MS = 86_400_000;
/** The API server's clock may be behind ours by this much. */
const BACKDATE_MS = DAY_MS;
const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
const SERVING_LIFETIME_MS = 90 * DAY_MS;
/** An authority with less than this is replaced: five lives of a serving certificate. */
const AUTHORITY_RESERVE_MS = 5 * SERVING_LIFETIME_MS;
const ORGANIZATION = "Entente admission webhooks";

/** Creates an authority: ECDSA P-256, for ten years. */
export function createWebhookAuthority({ nowMs, randomBytes }: Moment): WebhookAuthority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = formatPublicKey(publicKey);
  const name = formatName(ORGANIZATION);
  const template = {
    serialNumber: createSerialNumber(randomBytes),
    issuerName: name,
    subjectName: name,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + AUTHORITY_LIFETIME_MS,
    publicKeyInfo,
    extensions: formatRootExtensions(publicKeyInfo),
  };
  return { certificate: signCertificateSync(template, privateKey), key: exportKey(privateKey) };
}

/** Signs a certificate for the webhook's names, with a new key; it is to be replaced at half of its life. */
export function signServingPair(
  authority: WebhookAuthority,
  dnsNames: readonly string[],
  { nowMs, randomBytes }: Moment,
): SignedServingPair {
  const issuerKey = createPrivateKey(authority.key);
  const issuer = new X509Certificate(authority.certificate);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = formatPublicKey(publicKey);
  const notBeforeMs = nowMs - BACKDATE_MS;
  const notAfterMs = nowMs + SERVING_LIFETIME_MS;
  const template = {
    serialNumber: createSerialNumber(randomBytes),
    issuerName: readSubjectName(issuer.raw),
    subjectName: formatName(),
    notBeforeMs,
    notAfterMs,
    publicKeyInfo,
    extensions: formatLeafExtensions({
      publicKeyInfo,
      usages: ["server"],
      names: dnsNames.map((value) => ({ kind: "dns", value })),
      issuerKeyIdentifier: keyIdentifier(formatPublicKey(issuer.publicKey)),
    }),
  };
  return {
    cert: signCertificateSync(template, issuerKey),
    key: exportKey(privateKey),
    notBeforeMs,
    renewAtMs: nowMs + SERVING_LIFETIME_MS / 2,
    notAfterMs,
  };
}

/** Why an authority cannot be used, or not for long; undefined if it can. */
export function findAuthorityFault({ certificate, key }: WebhookAuthority, nowMs: number): string | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.ca) return "its certificate is not an authority's";
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return "its key does not match its certificate";
    if (!parsed.verify(parsed.publicKey)) return "its certificate is not signed by itself";
    if (parsed.validFromDate.getTime() > nowMs) return `its certificate is valid only from ${parsed.validFrom}`;
    const leftMs = parsed.validToDate.getTime() - nowMs;
    return leftMs < AUTHORITY_RESERVE_MS ? `its certificate expires at ${parsed.validTo}` : undefined;
  } catch {
    return "it is not a certificate and a key in PEM";
  }
}

/** Whether a certificate can still verify something. */
export function isUnexpired(certificate: string, nowMs: number): boolean {
  try {
    return new X509Certificate(certificate).validToDate.getTime() > nowMs;
  } catch {
    return false;
  }
}

function exportKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
