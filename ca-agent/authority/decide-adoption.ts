import { hash, X509Certificate } from "node:crypto";
import { formatPublicKey } from "../x509/public-key.ts";
import { readSubjectName } from "../x509/subject-name.ts";
import type { SigningMaterial } from "./signing-material.ts";

/** What an authority signs with and which roots it publishes. */
export interface InForce {
  readonly signer: SigningMaterial;
  /** One PEM certificate each. */
  readonly roots: readonly string[];
  /** By `rootKey`: since when each root has been published, by the monotonic clock. */
  readonly publishedAtMs: ReadonlyMap<string, number>;
}

export type Adoption =
  /** The roots are published, and the new material signs, from `signsAtMs` on (monotonic): now, or later. */
  | { readonly kind: "adopted"; readonly inForce: Omit<InForce, "signer">; readonly signsAtMs: number }
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly message: string };

export interface AdoptionClock {
  /** Monotonic. */
  readonly nowMs: number;
  /** How long a new root is published before it signs. */
  readonly publishMs: number;
}

/**
 * Decides what becomes of changed material while an authority runs. Two rules keep every workload trusted by every other:
 * the root that signs now stays in the bundle, because valid certificates lead to it; and a new root signs only after
 * everybody had the time to receive it. Roots that sign nothing may come and go.
 */
export function decideAdoption(inForce: InForce, next: SigningMaterial, { nowMs, publishMs }: AdoptionClock): Adoption {
  if (isSameMaterial(inForce, next)) return { kind: "unchanged" };
  const keys = next.roots.map(rootKey);
  const current = rootKey(inForce.signer.root.toString());
  if (!keys.includes(current)) return { kind: "refused", message: describeLostRoot(inForce.signer) };
  const publishedAtMs = new Map(keys.map((key) => [key, inForce.publishedAtMs.get(key) ?? nowMs]));
  const signing = rootKey(next.root.toString());
  const since = publishedAtMs.get(signing) ?? nowMs;
  const signsAtMs = signing === current ? nowMs : Math.max(nowMs, since + publishMs);
  return { kind: "adopted", inForce: { roots: next.roots, publishedAtMs }, signsAtMs };
}

/**
 * Identifies a root by its name and key: a certificate that leads to one leads to all others with both, such as one that
 * was issued again with a later end.
 */
export function rootKey(pem: string): string {
  const certificate = new X509Certificate(pem);
  const octets = [readSubjectName(certificate.raw), formatPublicKey(certificate.publicKey)];
  return octets.map((part) => hash("sha256", part, "base64")).join(" ");
}

function isSameMaterial({ signer, roots }: InForce, next: SigningMaterial): boolean {
  return (
    signer.certificate.raw.equals(next.certificate.raw) &&
    signer.intermediates.join("") === next.intermediates.join("") &&
    roots.join("") === next.roots.join("")
  );
}

function describeLostRoot({ root, notAfterMs }: SigningMaterial): string {
  return (
    `the new root certificates do not contain the root ${root.fingerprint256} to which all current certificates lead ` +
    `(valid until ${new Date(notAfterMs).toISOString()}): add it, and remove it once no workload uses it any more`
  );
}
