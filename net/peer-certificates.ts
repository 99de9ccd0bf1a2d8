import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** More than any chain that `verifyPeer` would accept. */
const MAX_CERTIFICATES = 12;

/** The peer's chain from the handshake, leaf first; a root that refers to itself ends it. */
export function readPeerCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(next);
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    next = issuer?.fingerprint256 === next.fingerprint256 ? undefined : issuer;
  }
  return chain;
}
