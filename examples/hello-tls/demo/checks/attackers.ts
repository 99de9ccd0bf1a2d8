import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listGenerations } from "../../../../ca-agent/rotation/storage/own-directory.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../../../mesh/identity/mint-certificate-fixture.ts";

/** A client of a sidecar with a certificate that must be refused. */
export interface Attacker {
  readonly name: string;
  /** Absent: shows none. */
  readonly certificate?: MintedCertificate;
  /** The reason that log and metric must give. */
  readonly reason: string;
}

const HOUR_MS = 3_600_000;
export const STOLEN_IDENTITY = "spiffe://cluster.local/ns/ns1/sa/default";

/**
 * Reads the mesh's own root, with its private key, from the authority's folder. No attacker has that; with it the demo
 * shows that a good signature alone does not open the door.
 */
export async function readMeshRoot(authorityFolder: string): Promise<MintedCertificate> {
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt += 1) {
    const [newest] = await listGenerations(authorityFolder);
    const files = ["ca-cert.pem", "ca-key.pem"].map((file) => readFile(join(newest?.path ?? "", file), "utf8"));
    const [pem, keyPem] = await Promise.all(files).catch(() => []);
    // Absent files: the root's rotation has taken a step meanwhile.
    if (pem === undefined || keyPem === undefined) continue;
    return { pem, keyPem, certificate: new X509Certificate(pem), key: createPrivateKey(keyPem) };
  }
  throw new Error(`the authority's folder ${authorityFolder} holds no certificate and key`);
}

const READ_ATTEMPTS = 3;

/** A leaf that is valid now, from this issuer. */
export function mintNow(issuer: MintedCertificate, uriSans: readonly string[], nowMs: number): MintedCertificate {
  return mintLeaf({ issuer, uriSans, notBefore: new Date(nowMs - HOUR_MS), notAfter: new Date(nowMs + HOUR_MS) });
}

/** All who must be refused by a server's sidecar. Only the first does without the mesh's root key, and the last. */
export function createAttackers(meshRoot: MintedCertificate, nowMs: number): readonly Attacker[] {
  const expired = mintLeaf({
    issuer: meshRoot,
    uriSans: [STOLEN_IDENTITY],
    notBefore: new Date(nowMs - 2 * HOUR_MS),
    notAfter: new Date(nowMs - HOUR_MS),
  });
  const foreign = "spiffe://other.example/ns/ns1/sa/default";
  const second = "spiffe://cluster.local/ns/ns2/sa/default";
  return [
    {
      name: "a certificate of another root",
      certificate: mintNow(mintRoot({ commonName: "another root" }), [STOLEN_IDENTITY], nowMs),
      reason: "unknown_root",
    },
    { name: "an expired certificate, signed by the mesh's root", certificate: expired, reason: "expired" },
    {
      name: "one of another trust domain, signed by the mesh's root",
      certificate: mintNow(meshRoot, [foreign], nowMs),
      reason: "foreign_trust_domain",
    },
    {
      name: "one with two URI SANs, signed by the mesh's root",
      certificate: mintNow(meshRoot, [STOLEN_IDENTITY, second], nowMs),
      reason: "san_count",
    },
    { name: "TLS without a certificate", reason: "no_certificate" },
  ];
}
