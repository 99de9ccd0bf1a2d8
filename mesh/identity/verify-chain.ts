import type { X509Certificate } from "node:crypto";
import {
  type CertificateFault,
  findIssuerFault,
  findPathLengthFault,
  findValidityFault,
} from "./certificate-faults.ts";
import { type ChainLimitFault, findChainLimitFault } from "./chain-limits.ts";

/** What is handed over: the peer's certificates as it sent them, and what we believe. */
export interface ChainInput {
  readonly leaf: X509Certificate;
  /** In any order; certificates that do not belong to the chain are passed over. */
  readonly intermediates: readonly X509Certificate[];
  readonly roots: readonly X509Certificate[];
  readonly nowMs: number;
}

/** Why no path to a root holds. Stable: metrics carry it as a label. */
export type ChainFault = CertificateFault["reason"] | ChainLimitFault["reason"] | "unknown_root";

export type ChainVerdict =
  | {
      readonly kind: "chained";
      /** Leaf first, root last. */
      readonly path: readonly X509Certificate[];
      /** When the first certificate of the path ends, in epoch milliseconds. */
      readonly notAfterMs: number;
    }
  | { readonly kind: "broken"; readonly reason: ChainFault; readonly message: string };

/**
 * Finds the path from the leaf to one of the roots: each certificate is issued by the next (names, key ids, key usage and
 * signature), each issuer is a certificate authority, and every link, the root included, is valid now. Several roots of
 * one name are all tried, as are cross-signed authorities, so that root rotation needs no order. Roots are compared by
 * signature, never by name.
 *
 * What the peer sent is judged by `findChainLimitFault` before the first signature is checked. Signatures are then
 * checked from the roots downwards: only a key that a root vouches for is ever used, so a chain that an attacker made up
 * costs one check for each of its certificates that names a root (compare CVE-2023-0464 for what a search costs).
 */
export function verifyChain(input: ChainInput): ChainVerdict {
  const { leaf, intermediates, roots, nowMs } = input;
  const fault = findValidityFault(leaf, nowMs) ?? findChainLimitFault([leaf, ...intermediates].map(({ raw }) => raw));
  if (fault !== undefined) return { kind: "broken", ...fault };
  const others = intermediates.filter(({ raw }) => !raw.equals(leaf.raw));
  const walk: Walk = { nowMs, unproved: new Set([leaf, ...others]), leaf, fault: undefined };
  const proof = proveLeaf(walk, roots);
  if (proof === undefined) {
    const message = `no chain leads to one of the ${roots.length} root certificates that are trusted`;
    return { kind: "broken", ...(walk.fault ?? { reason: "unknown_root", message }) };
  }
  const path = pathOf(proof);
  const lengthFault = findPathLengthFault(path);
  if (lengthFault !== undefined) return { kind: "broken", ...lengthFault };
  return { kind: "chained", path, notAfterMs: earliestEnd(path) };
}

interface Walk {
  readonly nowMs: number;
  readonly leaf: X509Certificate;
  /** What the peer sent and no root vouches for, yet. */
  readonly unproved: Set<X509Certificate>;
  /** The first reason why a trusted issuer could not be used: says more than "unknown root". */
  fault: CertificateFault | undefined;
}

/** A certificate that a root vouches for. */
interface Proof {
  readonly certificate: X509Certificate;
  /** `undefined`: it is a root. */
  readonly issuer: Proof | undefined;
}

/** One generation after the other; each proves at least one certificate of the peer, so there are no more than it sent. */
function proveLeaf(walk: Walk, roots: readonly X509Certificate[]): Proof | undefined {
  let generation: readonly Proof[] = roots.map((certificate) => ({ certificate, issuer: undefined }));
  while (generation.length > 0) {
    generation = generation.flatMap((issuer) => proveIssued(walk, issuer));
    const proof = generation.find(({ certificate }) => certificate === walk.leaf);
    if (proof !== undefined) return proof;
  }
  return undefined;
}

/** The certificates that this trusted issuer has signed. Names and key ids say which ones are worth a check. */
function proveIssued(walk: Walk, issuer: Proof): readonly Proof[] {
  const { certificate } = issuer;
  const named = [...walk.unproved].filter((subject) => subject.checkIssued(certificate));
  if (named.length === 0) return [];
  const fault = findValidityFault(certificate, walk.nowMs) ?? findIssuerFault(certificate);
  walk.fault ??= fault;
  if (fault !== undefined) return [];
  const proved = named.filter((subject) => hasSigned(certificate, subject));
  for (const subject of proved) walk.unproved.delete(subject);
  return proved.map((subject) => ({ certificate: subject, issuer }));
}

/** Leaf first, root last. */
function pathOf(proof: Proof): readonly X509Certificate[] {
  const path: X509Certificate[] = [];
  for (let link: Proof | undefined = proof; link !== undefined; link = link.issuer) path.push(link.certificate);
  return path;
}

function hasSigned(issuer: X509Certificate, subject: X509Certificate): boolean {
  try {
    return subject.verify(issuer.publicKey);
  } catch {
    // A key that OpenSSL cannot use (a point that is not on its curve) has signed nothing that counts.
    return false;
  }
}

function earliestEnd(path: readonly X509Certificate[]): number {
  return Math.min(...path.map((link) => link.validToDate.getTime()));
}
