import { hash, X509Certificate } from "node:crypto";
import { formatCount } from "../../mesh/format-count.ts";
import { fingerprintOf } from "../rotation/rotation-state.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { readSubjectName } from "../x509/subject-name.ts";
import type { RotationMark } from "./authority-files.ts";
import type { SigningMaterial } from "./signing-material.ts";

/** What an authority signs with and which roots it publishes. */
export interface InForce {
  readonly signer: SigningMaterial;
  /** One PEM certificate each. */
  readonly roots: readonly string[];
  /** By `rootKey`: since when each root has been published, by the monotonic clock. */
  readonly publishedAtMs: ReadonlyMap<string, number>;
  /** Of the stored state that was adopted last, whether its root signs already or not. */
  readonly rotation: RotationMark | undefined;
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
 * a root of which leaves may be valid stays in the bundle, which is the one that signs now, and during a rotation also
 * the one that has signed before; and a new root signs only after everybody had the time to receive it. Roots that sign
 * nothing may come and go. A stored rotation shows when a root has no leaves any more, and when the new one may sign, so
 * that a control plane that was cut off from the store goes on where the others are.
 */
export function decideAdoption(inForce: InForce, next: SigningMaterial, { nowMs, publishMs }: AdoptionClock): Adoption {
  if (isSameMaterial(inForce, next)) return { kind: "unchanged" };
  const keys = next.roots.map(rootKey);
  const current = rootKey(inForce.signer.root.toString());
  const lost = findLostRoot(inForce, next);
  if (lost !== undefined) return { kind: "refused", message: describeLostRoot(lost, inForce, next) };
  // At a start the bundle may be missing; while other roots are trusted, that is a mistake.
  if (!next.hasBundle && inForce.roots.length > 1) return { kind: "refused", message: describeEmptied(inForce) };
  const publishedAtMs = new Map(keys.map((key) => [key, inForce.publishedAtMs.get(key) ?? nowMs]));
  const signing = rootKey(next.root.toString());
  const since = publishedAtMs.get(signing) ?? nowMs;
  const signsNow = signing === current || !keys.includes(current) || isRotationStep(inForce, next);
  const signsAtMs = signsNow ? nowMs : Math.max(nowMs, since + publishMs);
  return { kind: "adopted", inForce: { roots: next.roots, publishedAtMs, rotation: next.rotation }, signsAtMs };
}

/** A root, PEM, of which leaves may be valid, and that the new bundle does not contain. */
function findLostRoot({ signer, rotation }: InForce, next: SigningMaterial): string | undefined {
  const known = new Set(next.roots.map(rootKey));
  const needed = [signer.root.toString(), ...(rotation?.leavesOf ?? [])];
  const dropped = next.rotation?.dropped ?? [];
  return needed.find((root) => !known.has(rootKey(root)) && !dropped.includes(fingerprintOf(root)));
}

/** The time for which a new root is published is measured by those who rotate; our sidecars must know it as well. */
function isRotationStep({ roots }: InForce, next: SigningMaterial): boolean {
  const signing = rootKey(next.root.toString());
  return next.rotation !== undefined && roots.some((root) => rootKey(root) === signing);
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

function describeEmptied({ roots }: InForce): string {
  return (
    `the root certificates are missing or empty, but ${formatCount(roots.length, "root is", "roots are")} trusted: restore what was there; to trust ` +
    "only the signing root, write that one there"
  );
}

function describeLostRoot(lost: string, { signer, rotation }: InForce, next: SigningMaterial): string {
  // An operator's authority is no state of the mesh's own one, and has no revision.
  const isOlder = rotation !== undefined && next.rotation !== undefined && rotation.revision > next.rotation.revision;
  const older = isOlder ? "this is an earlier state than the one in force, as from a restored backup; " : "";
  const which = signer.root.toString() === lost ? "all current certificates lead" : "valid certificates lead";
  return (
    `${older}the new root certificates do not contain the root ${fingerprintOf(lost)} to which ${which} ` +
    `(valid until ${new Date(signer.notAfterMs).toISOString()}): add it, and remove it once no workload uses it any more`
  );
}
