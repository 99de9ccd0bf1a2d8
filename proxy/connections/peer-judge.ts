import type { X509Certificate } from "node:crypto";
import { spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import { rootsOfDomain } from "../../mesh/policy/authentication/domain-chains.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import { type Authorities, authoritiesOf, hasSameAuthorities } from "../tls/trust-changes.ts";
import type { VerifiedPeer } from "./handshake.ts";

/**
 * Whether the peer of an open connection would be trusted now. `unchanged`: the root of its chain still is, so no
 * signature was checked. `verified`: its chain was verified again.
 */
export type TrustVerdict = "unchanged" | "verified" | "untrusted" | "revoked";

/** A chain that was verified, and by what. */
type Verified = Pick<VerifiedPeer, "path" | "authorities">;

/**
 * Judges peers of open connections by the trust bundle in force. The time is that of the handshake, so a certificate
 * that has expired since does not end a connection. Revocations cost a look-up, and a root that is added costs as little:
 * only where the root of a peer's chain was withdrawn, the chain may lead to another one.
 */
export function createPeerJudge(trust: () => TrustAnchors): (peer: VerifiedPeer) => TrustVerdict {
  /** Of peers that were judged by other roots than those of their handshake. */
  const later = new WeakMap<VerifiedPeer, Verified>();
  return (peer) => {
    const current = trust();
    const known = later.get(peer) ?? peer;
    const path = isRootTrusted(peer, known, current) ? known.path : verifyAgain(peer, current);
    if (path === undefined) return "untrusted";
    if (!hasSameAuthorities(current, known.authorities)) {
      later.set(peer, { path, authorities: authoritiesOf(current) });
    }
    if (current.revocations?.find(path, peer.identity) !== undefined) return "revoked";
    return path === known.path ? "unchanged" : "verified";
  };
}

/** Whether the path that was verified leads to a root that is trusted now, for the domain of the peer's identity. */
function isRootTrusted({ identity }: VerifiedPeer, { path, authorities }: Verified, current: Authorities): boolean {
  if (hasSameAuthorities(current, authorities)) return true;
  const known = path.at(-1);
  const roots = rootsOfDomain(current, spiffeIdParts(identity).trustDomain) ?? [];
  return known !== undefined && roots.some((root) => root === known || root.raw.equals(known.raw));
}

/** The path to a root that is trusted now. */
function verifyAgain(peer: VerifiedPeer, current: Authorities): readonly X509Certificate[] | undefined {
  const [leaf, ...intermediates] = peer.certificates;
  const roots = rootsOfDomain(current, spiffeIdParts(peer.identity).trustDomain);
  if (leaf === undefined || roots === undefined) return undefined;
  const verdict = verifyChain({ leaf, intermediates, roots, nowMs: peer.verifiedAtMs });
  return verdict.kind === "chained" ? verdict.path : undefined;
}

/**
 * Calls the listener when roots, trust domains or revocations have changed, and not for a new own certificate. Returns a
 * function that unsubscribes.
 */
export function onTrustChange(source: SecureContextSource, listener: () => void): () => void {
  let last = source.trust();
  return source.subscribe(() => {
    const now = source.trust();
    if (now === last) return;
    last = now;
    listener();
  });
}
