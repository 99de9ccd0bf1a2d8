import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { syncDirectory, writeDurably } from "../durable-files.ts";
import { createSerialNumber, formatName, type RandomBytes, signCertificateSync } from "../x509/certificate.ts";
import { formatRootExtensions } from "../x509/extensions.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { ISTIO_FORM } from "./authority-files.ts";

/** A certificate and its private key (PKCS#8), PEM. */
export interface RootPair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

const DAY_MS = 86_400_000;
/** Ten years, as in Istio. */
const ROOT_LIFETIME_MS = 3650 * DAY_MS;
/** `ub-organization-name` (RFC 5280, appendix A.1). */
const MAX_ORGANIZATION_LENGTH = 64;
/**
 * Tolerance for clocks that are behind ours: an hour, by which a clock is wrong that was set by the other kind of time,
 * and Istio's two minutes. Peers with such a clock would otherwise refuse every new certificate for an hour, and a
 * workload with one could never renew. Nobody gains by it: a certificate is not used before it is issued.
 */
export const BACKDATE_MS = 62 * 60_000;

/** Creates a root: ECDSA P-256, with the trust domain as its organisation. */
export function createSelfSignedRoot(input: {
  readonly trustDomain: TrustDomain;
  readonly nowMs: number;
  readonly randomBytes: RandomBytes;
}): RootPair {
  const pair = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const key = createPrivateKey(pair.privateKey);
  const publicKeyInfo = formatPublicKey(key);
  const name = formatName(input.trustDomain.slice(0, MAX_ORGANIZATION_LENGTH));
  const template = {
    serialNumber: createSerialNumber(input.randomBytes),
    issuerName: name,
    subjectName: name,
    notBeforeMs: input.nowMs - BACKDATE_MS,
    notAfterMs: input.nowMs + ROOT_LIFETIME_MS,
    publicKeyInfo,
    extensions: formatRootExtensions(publicKeyInfo),
  };
  return { certificatePem: signCertificateSync(template, key), keyPem: pair.privateKey };
}

/**
 * Stores a root in `parent/name` atomically: the files are written and synced in a sibling directory, which is then
 * renamed. If several processes do this at once exactly one succeeds, because rename cannot replace a directory that is
 * not empty.
 * @returns false if a root already exists; that one is used.
 */
export async function keepRoot(parent: string, name: string, root: RootPair): Promise<boolean> {
  // mkdtemp creates it with mode 0700.
  const draft = await mkdtemp(join(parent, `.${name}-`));
  try {
    await writeDurably(join(draft, ISTIO_FORM.key), root.keyPem);
    await writeDurably(join(draft, ISTIO_FORM.certificate), root.certificatePem);
    await syncDirectory(draft);
    await rename(draft, join(parent, name));
    await syncDirectory(parent);
    return true;
  } catch (caught) {
    await rm(draft, { recursive: true, force: true });
    const code = caught instanceof Error ? errnoOf(caught) : undefined;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw caught;
  }
}
