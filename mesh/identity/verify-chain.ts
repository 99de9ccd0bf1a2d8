import type { X509Certificate } from "node:crypto";
import {
  type CertificateFault,
  findIssuerFault,
  findPathLengthFault,
  findUsageFault,
  findValidityFault,
} from "./certificate-faults.ts";
import { type ChainLimitFault, findChainLimitFault } from "./chain-limits.ts";

/** A peer's certificates as it sent them. */
export interface PeerChain {
  readonly leaf: X509Certificate;
  /** In any order; certificates that do not belong to the chain are ignored. */
  readonly intermediates: readonly X509Certificate[];
  readonly nowMs: number;
}

/** A peer's chain, and the trusted roots. */
export interface ChainInput extends PeerChain {
  readonly roots: readonly X509Certificate[];
}

/** Why no path to a root is valid. Stable: metrics use it as a label. */
export type ChainFault = CertificateFault["reason"] | ChainLimitFault["reason"] | "unknown_root" | "ambiguous_issuer";

export type ChainVerdict =
  | {
      readonly kind: "chained";
      /** Leaf first, root last. */
      readonly path: readonly X509Certificate[];
      /** The earliest expiry of the path's certificates, in epoch milliseconds. */
      readonly notAfterMs: number;
    }
  | { readonly kind: "broken"; readonly reason: ChainFault; readonly message: string };

export type BrokenChain = Extract<ChainVerdict, { kind: "broken" }>;

/**
 * For one peer. A chain of five certificates needs five, and some more where a trust domain has several roots of one
 * name. A client that names such roots in each of its certificates would otherwise choose how much work a handshake is.
 */
const MAX_SIGNATURE_CHECKS = 32;

/** Counts the signatures that are checked for one peer, by whichever roots. */
export class SignatureBudget {
  #left = MAX_SIGNATURE_CHECKS;

  /** Whether one more may be checked. */
  take(): boolean {
    this.#left -= 1;
    return this.#left >= 0;
  }
}

/**
 * Finds the path from the leaf to one of the roots: each certificate is issued by the next (names, key ids, key usage
 * and signature), each issuer is a CA certificate whose extended key usages allow TLS, and all of them, the root
 * included, are currently valid. Several roots with one name are all tried, as are cross-signed certificates, so that
 * root rotation needs no order. Roots are compared by signature, never by name.
 *
 * `findChainLimitFault` checks the peer's certificates before the first signature is verified. Signatures are then
 * verified from the roots downwards: only keys that a root certifies are ever used, so an attacker's chain costs one
 * check per certificate that names a root, and `MAX_SIGNATURE_CHECKS` at most (compare CVE-2023-0464 for the cost of a
 * search).
 */
export function verifyChain(input: ChainInput): ChainVerdict {
  return findPeerFault(input) ?? findPath(input, new SignatureBudget());
}

/** Why a chain is not verified by any roots. */
export function findPeerFault({ leaf, intermediates, nowMs }: PeerChain): BrokenChain | undefined {
  const fault = findValidityFault(leaf, nowMs) ?? findChainLimitFault([leaf, ...intermediates].map(({ raw }) => raw));
  return fault && { kind: "broken", ...fault };
}

/** The second half of `verifyChain`, for a chain that is verified by several lists of roots: without `findPeerFault`. */
export function findPath({ leaf, intermediates, roots, nowMs }: ChainInput, budget: SignatureBudget): ChainVerdict {
  const others = intermediates.filter(({ raw }) => !raw.equals(leaf.raw));
  const walk: Walk = { nowMs, unproved: new Set([leaf, ...others]), leaf, budget, fault: undefined };
  const proof = proveLeaf(walk, roots);
  if (proof === undefined) {
    const message = `no chain leads to one of the ${roots.length} trusted root certificates`;
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
  /** The peer's certificates that no root certifies yet. */
  readonly unproved: Set<X509Certificate>;
  readonly budget: SignatureBudget;
  /** The first reason why a trusted issuer could not be used: more specific than "unknown root". */
  fault: CertificateFault | typeof AMBIGUOUS | undefined;
}

const AMBIGUOUS = {
  reason: "ambiguous_issuer",
  message:
    `more than ${MAX_SIGNATURE_CHECKS} signatures would have to be checked to find the issuer: ` +
    "give authorities different names, or key identifiers in their certificates and those that they issue",
} as const;

/** A certificate that a root certifies, directly or indirectly. */
interface Proof {
  readonly certificate: X509Certificate;
  /** `undefined` for a root. */
  readonly issuer: Proof | undefined;
}

/**
 * Proceeds by levels; each one verifies at least one of the peer's certificates, so there are no more levels than
 * certificates.
 */
function proveLeaf(walk: Walk, roots: readonly X509Certificate[]): Proof | undefined {
  let generation: readonly Proof[] = roots.map((certificate) => ({ certificate, issuer: undefined }));
  while (generation.length > 0) {
    generation = generation.flatMap((issuer) => proveIssued(walk, issuer));
    const proof = generation.find(({ certificate }) => certificate === walk.leaf);
    if (proof !== undefined) return proof;
  }
  return undefined;
}

/** The certificates that this trusted issuer has signed. Only those whose names and key ids match are checked. */
function proveIssued(walk: Walk, issuer: Proof): readonly Proof[] {
  const { certificate } = issuer;
  const named = [...walk.unproved].filter((subject) => subject.checkIssued(certificate));
  if (named.length === 0) return [];
  const fault =
    findValidityFault(certificate, walk.nowMs) ?? findIssuerFault(certificate) ?? findUsageFault(certificate);
  walk.fault ??= fault;
  if (fault !== undefined) return [];
  const proved = named.filter((subject) => isProvedBy(certificate, subject, walk));
  for (const subject of proved) walk.unproved.delete(subject);
  return proved.map((subject) => ({ certificate: subject, issuer }));
}

/** Leaf first, root last. */
function pathOf(proof: Proof): readonly X509Certificate[] {
  const path: X509Certificate[] = [];
  for (let link: Proof | undefined = proof; link !== undefined; link = link.issuer) path.push(link.certificate);
  return path;
}

function isProvedBy(issuer: X509Certificate, subject: X509Certificate, walk: Walk): boolean {
  if (walk.budget.take()) return hasSigned(issuer, subject);
  walk.fault ??= AMBIGUOUS;
  return false;
}

function hasSigned(issuer: X509Certificate, subject: X509Certificate): boolean {
  try {
    return subject.verify(issuer.publicKey);
  } catch {
    // A key that OpenSSL cannot use (a point that is not on its curve) has no valid signatures.
    return false;
  }
}

function earliestEnd(path: readonly X509Certificate[]): number {
  return Math.min(...path.map((link) => link.validToDate.getTime()));
}
