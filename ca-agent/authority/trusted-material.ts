import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { formatSpiffeId, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type PeerVerdict, verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { type Signer, signWorkloadKey } from "./authority.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import { parseSigningMaterial, type SigningMaterial } from "./signing-material.ts";

/** For the log. */
export function describeMaterial({ roots, notAfterMs }: SigningMaterial): Readonly<Record<string, unknown>> {
  return {
    component: "ca-agent",
    roots: roots.map((root) => new X509Certificate(root).fingerprint256),
    notAfter: new Date(notAfterMs).toISOString(),
  };
}

export interface TrustedMaterialDeps {
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
}

/**
 * Parses an authority's files, signs a test certificate and verifies it as a sidecar would. An authority that no sidecar
 * trusts (constraints, path length, key usage) must not come into force: it would break every connection of the mesh.
 * Throws a CaError that names the file and the fix.
 */
export async function parseTrustedMaterial(files: AuthorityFiles, deps: TrustedMaterialDeps): Promise<SigningMaterial> {
  const material = parseSigningMaterial(files, deps.clock.now());
  const verdict = await verifyTestCertificate(material, material.roots, deps);
  if (verdict.kind === "trusted") return material;
  const path = files.locate("certificate");
  throw new CaError("authority_chain", `no sidecar would trust certificates signed by ${path}: ${verdict.message}`, {
    details: { reason: verdict.reason },
  });
}

/** Signs a certificate and verifies it, with what is sent along, as a sidecar would that has these roots (PEM). */
export async function verifyTestCertificate(
  material: SigningMaterial,
  roots: readonly string[],
  { trustDomain, clock, randomBytes }: TrustedMaterialDeps,
): Promise<PeerVerdict> {
  const signer: Signer = { material, roots: material.roots, clock, randomBytes };
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const identity = formatSpiffeId({ trustDomain, namespace: "probe", serviceAccount: "probe" });
  const chain = await signWorkloadKey(signer, {
    publicKeyInfo: formatPublicKey(publicKey),
    identity,
    lifetimeMs: 60_000,
  });
  return verifyPeer({
    certificates: chain.slice(0, -1).map((pem) => new X509Certificate(pem)),
    sessionReused: false,
    roots: roots.map((pem) => new X509Certificate(pem)),
    trustDomains: [trustDomain],
    nowMs: clock.now(),
  });
}
