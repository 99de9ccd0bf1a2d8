import type { X509Certificate } from "node:crypto";
import { spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import type { CutReason, OpenConnection } from "./connection-registry.ts";

/** What is in force now. */
export interface CurrentTrust {
  readonly roots: readonly X509Certificate[];
  readonly trustDomains: readonly TrustDomain[];
}

/**
 * Why an open connection must be cut, if it must: the policy of now forbids it as it is, or its peer would not have been
 * believed had the roots and trust domains of now been in force when it was verified. The time is that of the handshake,
 * so a certificate that has ended since does not end the connection.
 * @param trust `undefined` while the own certificate has ended: nothing is known to have changed then.
 */
export function decideRevalidation(connection: OpenConnection, trust: CurrentTrust | undefined): CutReason | undefined {
  if (!connection.isAllowed()) return "policy_changed";
  const { peer } = connection;
  if (peer === undefined || trust === undefined) return undefined;
  const [leaf, ...intermediates] = peer.certificates;
  if (leaf === undefined) return "trust_changed";
  if (!trust.trustDomains.includes(spiffeIdParts(peer.identity).trustDomain)) return "trust_changed";
  const chain = verifyChain({ leaf, intermediates, roots: trust.roots, nowMs: peer.verifiedAtMs });
  return chain.kind === "chained" ? undefined : "trust_changed";
}
