import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** More than any chain that `verifyPeer` would accept. */
const MAX_CERTIFICATES = 12;

/**
 * The peer's chain from the handshake, leaf first, without a root at its end: OpenSSL adds those of our own trust
 * store, and trust never comes from what a peer sends. Read as DER through `getPeerCertificate`, because each
 * `getPeerX509Certificate` of Node 24 leaks about 5 KB of OpenSSL's memory (`bench/measure-memory-release.ts`), on both
 * sides of a connection: a client could exhaust a server's memory with handshakes. Only the raw bytes are used, never
 * Node's parsed fields (CVE-2021-44531, CVE-2021-44532).
 */
export function readPeerCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // Without a certificate Node returns an empty object.
  while (next !== undefined && Buffer.isBuffer(next.raw) && chain.length < MAX_CERTIFICATES) {
    const issuer: DetailedPeerCertificate | undefined = next.issuerCertificate;
    // A self-signed certificate is its own issuer.
    const isLast: boolean = issuer === next;
    if (!isLast || chain.length === 0) chain.push(new X509Certificate(next.raw));
    next = isLast ? undefined : issuer;
  }
  return chain;
}
