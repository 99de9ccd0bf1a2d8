import { X509Certificate } from "node:crypto";
import { type DetailedPeerCertificate, TLSSocket } from "node:tls";
import { internCertificate } from "./intern-certificate.ts";

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
  const kept: unknown = Reflect.get(socket, CHAIN);
  return isChain(kept) ? kept : readChain(socket);
}

/** A property of a socket, because a session of HTTP/2 shows its socket only through a proxy object. */
const CHAIN = Symbol("the peer's certificates");

type NegotiateProtocol = (offer: { readonly protocols: readonly string[] }) => string | undefined;

/**
 * The `ALPNCallback` of a server of `node:tls` or `node:http2` whose clients show certificates. It accepts one protocol,
 * and keeps each client's chain: since Node 24.21 such a server calls `getPeerX509Certificate` before it emits
 * `secureConnection`, and that takes all but the leaf away. So the chain is read one step earlier.
 */
export function keepPeerCertificates(protocol: string): NegotiateProtocol {
  return function negotiate(this: unknown, { protocols }) {
    // An exception here would end the process (CVE-2026-21637); nothing in these lines can throw.
    if (this instanceof TLSSocket) this.prependOnceListener("secure", keepChain);
    return protocols.includes(protocol) ? protocol : undefined;
  };
}

function keepChain(this: TLSSocket): void {
  try {
    Reflect.set(this, CHAIN, readChain(this));
  } catch {
    // A certificate that cannot be decoded is read again, and refused, when the peer is judged.
  }
}

function isChain(value: unknown): value is readonly X509Certificate[] {
  return Array.isArray(value) && value.every((certificate) => certificate instanceof X509Certificate);
}

function readChain(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // Without a certificate Node returns an empty object.
  while (next !== undefined && Buffer.isBuffer(next.raw) && chain.length < MAX_CERTIFICATES) {
    const issuer: DetailedPeerCertificate | undefined = next.issuerCertificate;
    // A self-signed certificate is its own issuer.
    const isLast: boolean = issuer === next;
    if (!isLast || chain.length === 0) chain.push(internCertificate(next.raw));
    next = isLast ? undefined : issuer;
  }
  return chain;
}
