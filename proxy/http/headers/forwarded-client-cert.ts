import { createHash, type X509Certificate } from "node:crypto";
import type { SpiffeId } from "../../../mesh/identity/spiffe-id.ts";

export interface ForwardedClient {
  /** This workload's identity. */
  readonly own: SpiffeId;
  /** The client's identity, as its handshake proved it. */
  readonly peer: SpiffeId;
  readonly certificate: X509Certificate;
}

/**
 * The value of `x-forwarded-client-cert` as Istio's sidecars write it (subject, uri and dns set; SVIDs have no DNS
 * names). One element, of the verified peer: what a client sends under that name is never kept (compare Envoy's
 * SANITIZE_SET; Istio appends, which lets a mesh client put elements before its own).
 */
export function formatForwardedClientCert({ own, peer, certificate }: ForwardedClient): string {
  const hash = createHash("sha256").update(certificate.raw).digest("hex");
  return `By=${own};Hash=${hash};Subject="";URI=${peer}`;
}
