import type { X509Certificate } from "node:crypto";
import { spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import { rootsOfDomain } from "../../mesh/policy/authentication/domain-chains.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import { type Authorities, authoritiesOf, hasSameAuthorities } from "../tls/trust-changes.ts";
import type { VerifiedPeer } from "./handshake.ts";

/**
 * Whether the peer of an open connection would be trusted now. `unchanged`: neither roots nor trust domains have changed
 * since its chain was verified, so no signature was checked. `verified`: it was verified again.
 */
export type TrustVerdict = "unchanged" | "verified" | "untrusted" | "revoked";

/** A chain that was verified, and by what. */
type Verified = Pick<VerifiedPeer, "path" | "authorities">;

/**
 * Judges peers of open connections by the trust bundle in force. The time is that of the handshake, so a certificate
 * that has expired since does not end a connection. Other revocations cost a look-up, and only other roots or trust
 * domains one verification.
 */
export function createPeerJudge(trust: () => TrustAnchors): (peer: VerifiedPeer) => TrustVerdict {
  /** Of peers that were verified by others than those of their handshake. */
  const later = new WeakMap<VerifiedPeer, Verified>();
  return (peer) => {
    const current = trust();
    const known = [peer, later.get(peer)].find(
      (one) => one !== undefined && hasSameAuthorities(current, one.authorities),
    );
    const path = known?.path ?? verifyAgain(peer, current);
    if (path === undefined) return "untrusted";
    if (known === undefined) later.set(peer, { path, authorities: authoritiesOf(current) });
    if (current.revocations?.find(path, peer.identity) !== undefined) return "revoked";
    return known === undefined ? "verified" : "unchanged";
  };
}

/** The path to a root that is trusted now. */
function verifyAgain(peer: VerifiedPeer, trust: Authorities): readonly X509Certificate[] | undefined {
  const [leaf, ...intermediates] = peer.certificates;
  const roots = rootsOfDomain(trust, spiffeIdParts(peer.identity).trustDomain);
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
