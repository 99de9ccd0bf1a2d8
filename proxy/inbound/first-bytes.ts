import { Readable } from "node:stream";
import { getExtensionData, readTlsClientHello } from "read-tls-client-hello";

/** The verdict on a client's first bytes. */
export type FirstBytes =
  | { readonly kind: "more" }
  | { readonly kind: "plaintext" }
  /** A complete TLS record with a handshake message; `record` is the input of `readClientHello`. */
  | { readonly kind: "tls"; readonly record: Buffer }
  /** Begins like TLS but is malformed. The caller treats it as the strictest case. */
  | { readonly kind: "malformed"; readonly message: string };

const TLS_HANDSHAKE_RECORD = 0x16;
const TLS_MAJOR_VERSION = 0x03;
const CLIENT_HELLO = 0x01;
const RECORD_HEADER_BYTES = 5;
/** RFC 8446 §5.1: a plaintext record carries at most 2^14 bytes. */
const MAX_RECORD_BYTES = 2 ** 14;

/**
 * Judges what has arrived so far, from its first byte. Returns `more` until the verdict is certain: a ClientHello with
 * a post-quantum key share does not fit one packet, and a single byte must not decide (compare CVE-2020-8660).
 */
export function readFirstBytes(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return { kind: "more" };
  if (bytes[0] !== TLS_HANDSHAKE_RECORD) return { kind: "plaintext" };
  if (bytes.length > 1 && bytes[1] !== TLS_MAJOR_VERSION) return { kind: "plaintext" };
  if (bytes.length < RECORD_HEADER_BYTES) return { kind: "more" };
  const length = bytes.readUInt16BE(3);
  if (length === 0 || length > MAX_RECORD_BYTES) {
    return { kind: "malformed", message: `a TLS handshake record of ${length} bytes` };
  }
  if (bytes.length > RECORD_HEADER_BYTES && bytes[RECORD_HEADER_BYTES] !== CLIENT_HELLO) {
    return { kind: "malformed", message: "a TLS handshake that does not begin with a ClientHello" };
  }
  if (bytes.length < RECORD_HEADER_BYTES + length) return { kind: "more" };
  return { kind: "tls", record: bytes.subarray(0, RECORD_HEADER_BYTES + length) };
}

/** What a TLS client asks for. */
export interface ClientHello {
  /** By ALPN (RFC 7301), in its order; empty if it offers none. */
  readonly protocols: readonly string[];
  /** RFC 6066 §3; `undefined`: it names none. */
  readonly serverName: string | undefined;
}

/**
 * Reads a ClientHello. `undefined` if the record is not one complete ClientHello, such as one split over several
 * records.
 */
export async function readClientHello(record: Buffer): Promise<ClientHello | undefined> {
  try {
    const hello = await readTlsClientHello(Readable.from([record], { objectMode: false }));
    const alpn = getExtensionData(hello, "application_layer_protocol_negotiation");
    const serverName = getExtensionData(hello, "server_name")?.serverName;
    if (alpn === undefined) return { protocols: [], serverName };
    return alpn === null ? undefined : { protocols: alpn.protocols, serverName };
  } catch {
    return undefined;
  }
}

/** What a mesh client offers: any of Istio's own protocol names. They distinguish it from other TLS clients. */
export function offersIstioAlpn(protocols: readonly string[]): boolean {
  return protocols.some((protocol) => ISTIO_ALPN.has(protocol));
}

const ISTIO_ALPN: ReadonlySet<string> = new Set([
  "istio",
  "istio-peer-exchange",
  "istio-http/1.0",
  "istio-http/1.1",
  "istio-h2",
]);
