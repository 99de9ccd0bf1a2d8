import type { X509Certificate } from "node:crypto";
import { type CertificateFault, findIssuerFault, findValidityFault } from "./certificate-faults.ts";

/** What is handed over: the peer's certificates as it sent them, and what we believe. */
export interface ChainInput {
  readonly leaf: X509Certificate;
  /** In any order; certificates that do not belong to the chain are passed over. */
  readonly intermediates: readonly X509Certificate[];
  readonly roots: readonly X509Certificate[];
  readonly nowMs: number;
}

/** Why no path to a root holds. Stable: metrics carry it as a label. */
export type ChainFault = CertificateFault["reason"] | "unknown_root" | "chain_too_long";

export type ChainVerdict =
  | {
      readonly kind: "chained";
      /** Leaf first, root last. */
      readonly path: readonly X509Certificate[];
      /** When the first certificate of the path ends, in epoch milliseconds. */
      readonly notAfterMs: number;
    }
  | { readonly kind: "broken"; readonly reason: ChainFault; readonly message: string };

/** Leaf and root included: more than any certificate authority of a mesh needs. */
const MAX_PATH = 6;
const MAX_INTERMEDIATES = 10;
/** Bounds the work for a stranger who sends many authorities of one name. */
const MAX_SIGNATURE_CHECKS = 64;

/**
 * Looks for a path from the leaf to one of the roots: each certificate is issued by the next (names, key ids, key
 * usage and signature), each issuer is a certificate authority, and every link, the root included, is valid now. Several
 * roots of one name are all tried, as are cross-signed authorities, so that root rotation needs no order.
 * Roots are compared by signature, never by name.
 */
export function verifyChain(input: ChainInput): ChainVerdict {
  const leafFault = findValidityFault(input.leaf, input.nowMs);
  if (leafFault !== undefined) return { kind: "broken", ...leafFault };
  if (input.intermediates.length > MAX_INTERMEDIATES) {
    return broken("chain_too_long", `the peer sent more than ${MAX_INTERMEDIATES} intermediate certificates`);
  }
  const search: Search = { input, checksLeft: MAX_SIGNATURE_CHECKS, fault: undefined };
  const path = findPath(search, [input.leaf]);
  if (path !== undefined) return { kind: "chained", path, notAfterMs: earliestEnd(path) };
  if (search.fault !== undefined) return { kind: "broken", ...search.fault };
  return broken(
    "unknown_root",
    `no chain leads to one of the ${input.roots.length} root certificates that are believed`,
  );
}

interface Search {
  readonly input: ChainInput;
  checksLeft: number;
  /** The first reason why an authority that did sign could not be used: says more than "unknown root". */
  fault: { readonly reason: ChainFault; readonly message: string } | undefined;
}

function findPath(search: Search, path: readonly X509Certificate[]): readonly X509Certificate[] | undefined {
  const { input } = search;
  for (const root of input.roots) {
    if (isUsableIssuer(search, root, path)) return [...path, root];
  }
  if (path.length + 1 >= MAX_PATH) {
    search.fault ??= { reason: "chain_too_long", message: `the chain is longer than ${MAX_PATH} certificates` };
    return undefined;
  }
  for (const issuer of input.intermediates) {
    if (path.some((link) => link.raw.equals(issuer.raw))) continue;
    if (!isUsableIssuer(search, issuer, path)) continue;
    const found = findPath(search, [...path, issuer]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isUsableIssuer(search: Search, issuer: X509Certificate, path: readonly X509Certificate[]): boolean {
  const last = path.at(-1);
  if (last === undefined || !hasSigned(search, issuer, last)) return false;
  const fault = findValidityFault(issuer, search.input.nowMs) ?? findIssuerFault(issuer, path);
  search.fault ??= fault;
  return fault === undefined;
}

function hasSigned(search: Search, issuer: X509Certificate, subject: X509Certificate): boolean {
  if (search.checksLeft <= 0 || !subject.checkIssued(issuer)) return false;
  search.checksLeft -= 1;
  try {
    return subject.verify(issuer.publicKey);
  } catch {
    // A key that OpenSSL cannot use (unknown curve, wrong kind) has signed nothing that counts.
    return false;
  }
}

function earliestEnd(path: readonly X509Certificate[]): number {
  return Math.min(...path.map((link) => link.validToDate.getTime()));
}

function broken(reason: ChainFault, message: string): ChainVerdict {
  return { kind: "broken", reason, message };
}
