import type { X509Certificate } from "node:crypto";
import { TLSSocket } from "node:tls";
import { loadHandshakeGuard } from "./handshake-guard.ts";
import { internCertificate } from "./intern-certificate.ts";

/**
 * The peer's chain from the handshake, leaf first, without roots: trust never comes from what a peer sends. Empty if it
 * has sent none, or if nobody has called `keepHandshake`.
 */
export function readPeerCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const kept: unknown = Reflect.get(socket, CHAIN);
  return Array.isArray(kept) ? kept : [];
}

/** A property of a socket, because a session of HTTP/2 shows its socket only through a proxy object. */
const CHAIN = Symbol("the peer's certificates");

/**
 * Keeps the peer's chain for `readPeerCertificates`. Call it in the listener of `secure` or `secureConnect`, for a socket
 * with a context of `tls-contexts.ts`. The chain is OpenSSL's own, in DER: `getPeerX509Certificate` of Node 24 leaks about
 * 5 KB in each call (`bench/measure-memory-release.ts`), so that a client could exhaust a server's memory with handshakes,
 * and `getPeerCertificate` takes a tenth of a handshake's time for fields that must not be used (CVE-2021-44531,
 * CVE-2021-44532).
 * @returns the key exchange group, empty if it is unknown
 */
export function keepHandshake(socket: TLSSocket): string {
  try {
    const ending = loadHandshakeGuard().endingHandshake(socket);
    if (ending === undefined) return "";
    Reflect.set(socket, CHAIN, ending.certificates.map(internCertificate).filter(isNoRoot));
    return ending.keyExchangeGroup;
  } catch {
    // An exception would end the process (CVE-2026-21637). Without a chain the peer is refused.
    return "";
  }
}

type NegotiateProtocol = (offer: { readonly protocols: readonly string[] }) => string | undefined;

/**
 * The `ALPNCallback` of a server of `node:tls` or `node:http2` whose clients show certificates. It accepts one protocol,
 * and keeps each client's chain before Node's own listener of `secure` runs: since Node 24.21 that calls
 * `getPeerX509Certificate`, which takes all but the leaf away.
 */
export function keepPeerCertificates(protocol: string): NegotiateProtocol {
  return function negotiate(this: unknown, { protocols }) {
    // An exception here would end the process (CVE-2026-21637); nothing in these lines can throw.
    if (this instanceof TLSSocket) this.prependOnceListener("secure", keepOwn);
    return protocols.includes(protocol) ? protocol : undefined;
  };
}

function keepOwn(this: TLSSocket): void {
  keepHandshake(this);
}

/** The leaf stays whatever it is: the verdict on the peer has a reason for it. */
function isNoRoot(certificate: X509Certificate, index: number): boolean {
  return index === 0 || !certificate.checkIssued(certificate);
}
