import type { X509Certificate } from "node:crypto";
import { MAX_CHAIN_CERTIFICATES } from "../../mesh/identity/chain-limits.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";

/** The signer's path, its root last, and where other paths may begin. */
export interface CrossSignedInput {
  readonly path: readonly X509Certificate[];
  /** The certificates beside the signer. */
  readonly chain: readonly X509Certificate[];
  readonly roots: readonly X509Certificate[];
  readonly nowMs: number;
}

/**
 * Certificates that another root of the bundle has issued for a key of the path: with them a client that knows only that
 * root verifies new leaves too, so that roots can be replaced (RFC 4210, section 4.4.1). With a leaf they must not be more
 * than a peer accepts; those beyond are left out.
 */
export function findCrossSigned({ path, chain, roots, nowMs }: CrossSignedInput): readonly X509Certificate[] {
  const sent = path.length === 1 ? 0 : path.length - 1;
  const candidates = chain.filter((one) => path.some((link) => !link.raw.equals(one.raw) && hasSameKey(link, one)));
  const end = path.at(-1);
  const others = roots.filter((root) => end !== undefined && !hasSameKey(root, end));
  const led = candidates.filter((one) => {
    const intermediates = chain.filter((other) => other !== one);
    return verifyChain({ leaf: one, intermediates, roots: others, nowMs }).kind === "chained";
  });
  return led.slice(0, Math.max(0, MAX_CHAIN_CERTIFICATES - 1 - sent));
}

/** One subject with one key: leaves of one are leaves of the other. */
function hasSameKey(one: X509Certificate, other: X509Certificate): boolean {
  return one.subject === other.subject && one.publicKey.equals(other.publicKey);
}
