import type { X509Certificate } from "node:crypto";
import { type CertificateFault, findIssuerFault, findValidityFault } from "./certificate-faults.ts";
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
 * Looks for a path from the leaf to one of the roots: each certificate is issued by the next (names, key ids, key
 * usage and signature), each issuer is a certificate authority, and every link, the root included, is valid now. Several
 * roots of one name are all tried, as are cross-signed authorities, so that root rotation needs no order.
 * Roots are compared by signature, never by name.
 *
 * What the peer sent is judged by `findChainLimitFault` before the first signature is checked, and each of its
 * certificates is tried as an issuer at most once: the number of checks is linear in what it sent (compare
 * CVE-2023-0464 for what a search costs).
 */
export function verifyChain(input: ChainInput): ChainVerdict {
  const leafFault = findValidityFault(input.leaf, input.nowMs);
  if (leafFault !== undefined) return { kind: "broken", ...leafFault };
  const limitFault = findChainLimitFault([input.leaf, ...input.intermediates].map(({ raw }) => raw));
  if (limitFault !== undefined) return { kind: "broken", ...limitFault };
  const walk: Walk = { input, untried: intermediatesOf(input), fault: undefined };
  const path = findPath(walk, [input.leaf]);
  if (path !== undefined) return { kind: "chained", path, notAfterMs: earliestEnd(path) };
  if (walk.fault !== undefined) return { kind: "broken", ...walk.fault };
  return broken(
    "unknown_root",
    `no chain leads to one of the ${input.roots.length} root certificates that are trusted`,
  );
}

/** Without copies of the leaf, which must not be its own issuer. */
function intermediatesOf({ leaf, intermediates }: ChainInput): Set<X509Certificate> {
  return new Set(intermediates.filter(({ raw }) => !raw.equals(leaf.raw)));
}

interface Walk {
  readonly input: ChainInput;
  /** What the peer sent and has not been tried as an issuer. */
  readonly untried: Set<X509Certificate>;
  /** The first reason why an authority that did sign could not be used: says more than "unknown root". */
  fault: { readonly reason: ChainFault; readonly message: string } | undefined;
}

function findPath(walk: Walk, path: readonly X509Certificate[]): readonly X509Certificate[] | undefined {
  for (const root of walk.input.roots) {
    if (isUsableIssuer(walk, root, path)) return [...path, root];
  }
  for (const issuer of walk.input.intermediates) {
    // Names and key ids choose the issuer; a certificate that was chosen once is not tried again, whatever came of it.
    if (!walk.untried.has(issuer) || !path.at(-1)?.checkIssued(issuer)) continue;
    walk.untried.delete(issuer);
    if (!isUsableIssuer(walk, issuer, path)) continue;
    const found = findPath(walk, [...path, issuer]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isUsableIssuer(walk: Walk, issuer: X509Certificate, path: readonly X509Certificate[]): boolean {
  const last = path.at(-1);
  if (last === undefined || !last.checkIssued(issuer)) return false;
  const fault = findValidityFault(issuer, walk.input.nowMs) ?? findIssuerFault(issuer, path);
  // A root's key that is not on the list is not used, not even to find out whether it has signed.
  const isKeyUsable = fault?.reason !== "unsupported_key" && fault?.reason !== "malformed_certificate";
  if (isKeyUsable && !hasSigned(issuer, last)) return false;
  walk.fault ??= fault;
  return fault === undefined;
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

function broken(reason: ChainFault, message: string): ChainVerdict {
  return { kind: "broken", reason, message };
}
