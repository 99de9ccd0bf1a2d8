import type { X509Certificate } from "node:crypto";
import { type PeerVerdict, verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { SvidFit } from "./svid-state.ts";
import type { TrustAnchors } from "./trust-anchors.ts";
import { authoritiesOf } from "./trust-changes.ts";

/**
 * How the own certificate fits the trust bundle, judged as a peer with this bundle does. It is superseded if peers still
 * accept it, but new certificates lead to another root: the old root will be withdrawn. A root that was issued again
 * with the same name and key verifies the certificates of both.
 */
export function decideFit(certificates: readonly X509Certificate[], trust: TrustAnchors, nowMs: number): SvidFit {
  const { roots, signingRoot, revocations } = trust;
  const verify = (accepted: readonly X509Certificate[]): PeerVerdict =>
    verifyPeer({ certificates, sessionReused: false, ...authoritiesOf(trust), roots: accepted, nowMs });
  const verdict = verify(roots);
  if (verdict.kind === "refused") return "refused";
  const revoked = revocations?.find(verdict.path, verdict.identity);
  if (revoked !== undefined) return revoked.kind === "certificate" ? "revoked" : "identity_revoked";
  return signingRoot === undefined || verify([signingRoot]).kind === "trusted" ? "current" : "superseded";
}
