import { spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import { rootsOfDomain } from "../../mesh/policy/authentication/domain-chains.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import type { VerifiedPeer } from "./handshake.ts";

/**
 * Whether the peer of an open connection would have been trusted under the current roots and trust domains. The time is
 * that of the handshake, so a certificate that has expired since does not end the connection. Nothing is verified while
 * the trust is still the one of the handshake.
 * @param trust `undefined` while the own certificate has expired: then nothing is known to have changed.
 */
export function isStillTrusted(peer: VerifiedPeer, trust: TrustAnchors | undefined): boolean {
  if (trust === undefined || trust === peer.trust) return true;
  const [leaf, ...intermediates] = peer.certificates;
  const roots = rootsOfDomain(trust, spiffeIdParts(peer.identity).trustDomain);
  if (leaf === undefined || roots === undefined) return false;
  return verifyChain({ leaf, intermediates, roots, nowMs: peer.verifiedAtMs }).kind === "chained";
}

/**
 * Calls the listener when roots or trust domains have changed, and not for a new own certificate. Returns a function
 * that unsubscribes.
 */
export function onTrustChange(source: SecureContextSource, listener: () => void): () => void {
  let last = source.current()?.trust;
  return source.subscribe(() => {
    const now = source.current()?.trust;
    // Nothing can be judged while the own certificate has expired; changes are reported once there is a new one.
    if (now === undefined || now === last) return;
    last = now;
    listener();
  });
}
