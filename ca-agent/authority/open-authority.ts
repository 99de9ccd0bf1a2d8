import { generateKeyPairSync, randomBytes as systemRandomBytes, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { formatSpiffeId, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import { type Authority, createAuthority, type Signer, signWorkloadKey } from "./authority.ts";
import { AUTHORITY_FILE, type AuthorityFiles, preparePrivateDirectory, readAuthorityFiles } from "./authority-files.ts";
import { createSelfSignedRoot, keepRoot } from "./self-signed-root.ts";
import { parseSigningMaterial } from "./signing-material.ts";

export interface OpenAuthorityOptions {
  /**
   * Contains Istio's `cacerts` files; otherwise the root that is created on first start is stored in `self-signed/`.
   */
  readonly directory: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default node:crypto's */
  readonly randomBytes?: RandomBytes;
}

const SELF_SIGNED = "self-signed";

/**
 * Opens the authority of a directory: the `cacerts` files if there are any, else the root created on an earlier start,
 * else a new root. Throws a CaError that names the file and the fix; never replaces a file.
 */
export async function openAuthority(options: OpenAuthorityOptions): Promise<Authority> {
  const { directory, clock, log } = options;
  const plugged = await readAuthorityFiles(directory, "mounted");
  const files = plugged ?? (await openSelfSigned(options));
  const material = parseSigningMaterial(files, clock.now());
  const signer = { material, clock, randomBytes: options.randomBytes ?? systemRandomBytes };
  await checkTrustedBySidecars(signer, options.trustDomain, files);
  log.info(
    {
      component: "ca-agent",
      directory: files.directory,
      origin: plugged === undefined ? "self-signed" : "plugged in",
      roots: material.roots.map((root) => new X509Certificate(root).fingerprint256),
      notAfter: new Date(material.notAfterMs).toISOString(),
    },
    "certificate authority opened",
  );
  return createAuthority(signer);
}

async function openSelfSigned(options: OpenAuthorityOptions): Promise<AuthorityFiles> {
  const { directory, trustDomain, clock, log } = options;
  await preparePrivateDirectory(directory);
  const home = join(directory, SELF_SIGNED);
  const kept = await readAuthorityFiles(home, "private");
  if (kept !== undefined) return kept;
  const randomBytes = options.randomBytes ?? systemRandomBytes;
  const root = createSelfSignedRoot({ trustDomain, nowMs: clock.now(), randomBytes });
  const isOurs = await keepRoot(directory, SELF_SIGNED, root).catch((caught: unknown) => {
    throw new CaError("authority_files", `cannot store a root in ${directory}: ${MeshError.from(caught).message}`, {
      cause: caught,
    });
  });
  if (isOurs) log.info({ component: "ca-agent", directory: home }, "created a new self-signed root");
  const files = await readAuthorityFiles(home, "private");
  if (files === undefined)
    throw new CaError("authority_files", `${home} no longer contains the root that was just stored there`);
  return files;
}

/**
 * Signs a test certificate and verifies it as a sidecar would. An authority that no sidecar trusts (constraints, path
 * length, key usage) must not start: it would break every connection of the mesh.
 */
async function checkTrustedBySidecars(signer: Signer, trustDomain: TrustDomain, files: AuthorityFiles): Promise<void> {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const identity = formatSpiffeId({ trustDomain, namespace: "probe", serviceAccount: "probe" });
  const chain = await signWorkloadKey(signer, { publicKey, identity, lifetimeMs: 60_000 });
  const verdict = verifyPeer({
    certificates: chain.slice(0, -1).map((pem) => new X509Certificate(pem)),
    sessionReused: false,
    roots: signer.material.roots.map((pem) => new X509Certificate(pem)),
    trustDomains: [trustDomain],
    nowMs: signer.clock.now(),
  });
  if (verdict.kind === "trusted") return;
  const path = join(files.directory, AUTHORITY_FILE.certificate);
  throw new CaError("authority_chain", `no sidecar would trust certificates signed by ${path}: ${verdict.message}`, {
    details: { reason: verdict.reason },
  });
}
