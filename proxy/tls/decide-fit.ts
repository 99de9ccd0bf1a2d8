import type { X509Certificate } from "node:crypto";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { SvidFit } from "./svid-state.ts";
import type { TrustAnchors } from "./trust-anchors.ts";

/**
 * How the own certificate fits the trust bundle, judged as a peer with this bundle does. It is superseded if peers still
 * accept it, but new certificates lead to another root: the old root will be withdrawn. A root that was issued again
 * with the same name and key verifies the certificates of both.
 */
export function decideFit(certificates: readonly X509Certificate[], trust: TrustAnchors, nowMs: number): SvidFit {
  const { roots, signingRoot } = trust;
  const isAccepted = (accepted: readonly X509Certificate[]): boolean =>
    verifyPeer({ certificates, sessionReused: false, ...trust, roots: accepted, nowMs }).kind === "trusted";
  if (!isAccepted(roots)) return "refused";
  return signingRoot === undefined || isAccepted([signingRoot]) ? "current" : "superseded";
}
