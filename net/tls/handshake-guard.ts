import type { SecureContext, TLSSocket } from "node:tls";
import { inspect } from "node:util";
import koffi from "koffi";
import { MAX_CHAIN_BYTES } from "../../mesh/identity/chain-limits.ts";
import { judgeCertificateMessage } from "./certificate-message.ts";
import { loadOpenssl, type Openssl, opensslUnavailable, readSentCertificates } from "./openssl.ts";

/** OpenSSL's numbers (ssl.h). */
const SSL_CTRL_GET_MAX_CERT_LIST = 50;
const SSL_CTRL_SET_MAX_CERT_LIST = 51;
const SSL_OP_NO_CERTIFICATE_COMPRESSION = (1n << 32n) | (1n << 33n);
const OPENSSL_DEFAULT_MAX_CERT_LIST = 100 * 1024;

/** Header sizes of a TLS record and of a handshake message (RFC 8446, sections 5.1 and 4). */
const HANDSHAKE_RECORD = 22;
const MESSAGE = { certificate: 11, finished: 20 } as const;
const MESSAGE_HEADER_BYTES = 4;

/** The Certificate message: TLS 1.3 adds a length and extensions to each certificate. */
const MAX_MESSAGE_BYTES = MAX_CHAIN_BYTES + 256;

/** As long as the hash of the suite: at most SHA-384's 48 octets. */
const MAX_VERIFY_DATA_BYTES = 64;

export interface HandshakeGuard {
  /** Bounds the handshakes of a context. */
  protect(context: SecureContext): void;
  /**
   * What the handshake that is completing has shown. Call it in the listener of `secure` or `secureConnect`, which runs
   * inside that handshake. `undefined`: the latest one was not this socket's, because its context is not protected.
   */
  endingHandshake(socket: TLSSocket): EndingHandshake | undefined;
}

export interface EndingHandshake {
  /** `X25519MLKEM768`, `x25519`, …, as OpenSSL names it. Node itself exposes it only on the client's side. */
  readonly keyExchangeGroup: string;
  /** In DER, as the peer has sent them, leaf first. Empty: it sent none. */
  readonly certificates: readonly Buffer[];
}

let loaded: HandshakeGuard | undefined;

/**
 * Bounds what an unauthenticated peer can make a handshake cost. OpenSSL decodes and verifies a peer's chain inside the
 * handshake, in the event loop, with any key and up to 100 KB of certificates: 13 KB with DSA keys take 80 ms, 16 KB
 * with keys on curves of their own take 25 ms before anything is verified. Node has no setting for it, so this calls
 * OpenSSL itself, whose symbols Node exports. The Certificate message is limited to 16 KB, and judged by
 * `judgeCertificateMessage` after decryption and before OpenSSL parses it. A refused message is overwritten, which ends
 * the handshake with the alert decode_error. A server does not name the authorities that it trusts: OpenSSL applies the same
 * limit to that list at the client, so that one root with a long name, of a foreign trust domain, would end every handshake;
 * and clients of a mesh have one certificate each, so that there is nothing to choose. Also disables TLS 1.3 session tickets, which `SSL_OP_NO_TICKET` only turns
 * into another kind, and compressed certificates (RFC 8879).
 *
 * Loaded once per process: OpenSSL keeps a pointer to the callback as long as there are contexts.
 * @throws NetError `openssl_unavailable`
 */
export function loadHandshakeGuard(): HandshakeGuard {
  loaded ??= createGuard();
  return loaded;
}

function createGuard(): HandshakeGuard {
  const openssl = loadOpenssl();
  let ending: { readonly connection: unknown; readonly verifyData: Buffer } | undefined;
  const onFinished = (connection: unknown, verifyData: Buffer): void => {
    openssl.watchConnection(connection, null);
    ending = { connection, verifyData };
  };
  const callback = createMessageCallback(openssl, onFinished);
  const onMessage = koffi.register(callback, koffi.pointer(openssl.messageCallback));
  const protect = (context: SecureContext): void => {
    const address = readAddress(context);
    // Verifies the address before anything is written: a known value must be readable there.
    const present = Number(openssl.contextControl(address, SSL_CTRL_GET_MAX_CERT_LIST, 0, null));
    if (present !== OPENSSL_DEFAULT_MAX_CERT_LIST && present !== MAX_MESSAGE_BYTES) {
      throw opensslUnavailable(`its context has an unknown limit of ${present} bytes`);
    }
    openssl.contextControl(address, SSL_CTRL_SET_MAX_CERT_LIST, MAX_MESSAGE_BYTES, null);
    openssl.setOptions(address, SSL_OP_NO_CERTIFICATE_COMPRESSION);
    openssl.setTickets(address, 0);
    openssl.nameAuthorities(address, openssl.newStack());
    openssl.watchContext(address, onMessage);
  };
  const endingHandshake = (socket: TLSSocket): EndingHandshake | undefined => {
    // No two handshakes have the same Finished message (RFC 8446, section 4.4.4), so this one is the socket's own.
    if (ending === undefined || socket.getPeerFinished()?.equals(ending.verifyData) !== true) return undefined;
    const { connection } = ending;
    ending = undefined;
    const keyExchangeGroup = String(openssl.groupName(connection) ?? "");
    return { keyExchangeGroup, certificates: readSentCertificates(openssl, connection) };
  };
  return { protect, endingHandshake };
}

/**
 * Receives each handshake message up to the peer's Finished; application data must not pass through here. Runs inside
 * OpenSSL, so it must not throw; what it cannot judge is refused.
 */
function createMessageCallback(openssl: Openssl, onFinished: (connection: unknown, verifyData: Buffer) => void) {
  const header = Buffer.alloc(1);
  const body = Buffer.alloc(MAX_MESSAGE_BYTES);
  const isAccepted = (message: bigint, bytes: number, version: number): boolean => {
    if (bytes > MAX_MESSAGE_BYTES) return false;
    openssl.copy(body, message, bytes);
    return judgeCertificateMessage(body.subarray(0, bytes), version) === undefined;
  };
  const onReceived = (version: number, message: bigint, length: number, connection: unknown): void => {
    openssl.copy(header, message, 1);
    const start = message + BigInt(MESSAGE_HEADER_BYTES);
    const bytes = length - MESSAGE_HEADER_BYTES;
    if (header[0] === MESSAGE.finished) {
      const verifyData = Buffer.alloc(Math.min(bytes, MAX_VERIFY_DATA_BYTES));
      openssl.copy(verifyData, start, verifyData.length);
      onFinished(connection, verifyData);
    }
    if (header[0] !== MESSAGE.certificate) return;
    let isFit = false;
    try {
      isFit = isAccepted(start, bytes, version);
    } finally {
      // In no TLS version does a certificate list have this length.
      if (!isFit) openssl.fill(start, 0xff, bytes);
    }
  };
  return (...[isSent, version, type, message, length, connection]: MessageCallbackParameters): void => {
    if (isSent !== 0 || type !== HANDSHAKE_RECORD) return;
    try {
      onReceived(version, message, Number(length), connection);
    } catch {
      // Already refused: an exception must not pass through OpenSSL.
    }
  };
}

type MessageCallbackParameters = [
  isSent: number,
  version: number,
  type: number,
  message: bigint,
  length: number | bigint,
  connection: unknown,
];

/** The address of OpenSSL's context, which Node exposes to native modules as an External. */
function readAddress(context: SecureContext): bigint {
  const handle: unknown = context.context;
  const external: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "_external") : undefined;
  const [, address] = /^\[External: (?:0x)?([0-9a-f]+)\]$/i.exec(inspect(external)) ?? [];
  if (address === undefined) throw opensslUnavailable("its contexts have no address");
  return BigInt(`0x${address}`);
}
