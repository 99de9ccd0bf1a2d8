import { type ChainLimitFault, findChainLimitFault, MAX_CHAIN_CERTIFICATES } from "../../mesh/identity/chain-limits.ts";

const TLS_1_3 = 0x0304;

/**
 * Judges the body of a Certificate message (RFC 8446, section 4.4.2; RFC 5246, section 7.4.2) by the limits of a chain.
 * `undefined`: OpenSSL may read it. An empty list is not refused here: the caller decides whether a
 * certificate is required.
 */
export function judgeCertificateMessage(body: Uint8Array, version: number): ChainLimitFault | undefined {
  const certificates = readCertificateList(body, version);
  if (certificates === undefined) {
    return { reason: "malformed_certificate", message: "the peer's Certificate message cannot be read" };
  }
  return findChainLimitFault(certificates);
}

/** The certificates in DER, at most one more than a chain may have; `undefined` if the lengths do not match. */
function readCertificateList(body: Uint8Array, version: number): readonly Uint8Array[] | undefined {
  const hasExtensions = version === TLS_1_3;
  const context = hasExtensions ? readVector(body, 0, 1) : { start: 0, end: 0 };
  const list = context && readVector(body, context.end, 3);
  if (list?.end !== body.length) return undefined;
  const certificates: Uint8Array[] = [];
  let offset = list.start;
  while (offset < list.end && certificates.length <= MAX_CHAIN_CERTIFICATES) {
    const certificate = readVector(body, offset, 3);
    const last = certificate && hasExtensions ? readVector(body, certificate.end, 2) : certificate;
    if (certificate === undefined || last === undefined) return undefined;
    certificates.push(body.subarray(certificate.start, certificate.end));
    offset = last.end;
  }
  return certificates;
}

/** A vector prefixed with its length in this many octets (RFC 8446, section 3.4). */
function readVector(bytes: Uint8Array, offset: number, lengthOctets: number): Span | undefined {
  const start = offset + lengthOctets;
  if (start > bytes.length) return undefined;
  const end = start + bytes.subarray(offset, start).reduce((length, octet) => length * 256 + octet, 0);
  return end > bytes.length ? undefined : { start, end };
}

interface Span {
  readonly start: number;
  readonly end: number;
}
