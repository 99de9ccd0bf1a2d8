import type { SecureContext } from "node:tls";
import { inspect } from "node:util";
import koffi from "koffi";
import { findChainLimitFault, MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES } from "../mesh/identity/chain-limits.ts";
import { NetError } from "./net-error.ts";

/** OpenSSL's numbers (ssl.h, x509_vfy.h). */
const SSL_CTRL_GET_MAX_CERT_LIST = 50;
const SSL_CTRL_SET_MAX_CERT_LIST = 51;
const SSL_OP_NO_CERTIFICATE_COMPRESSION = (1n << 32n) | (1n << 33n);
const X509_V_ERR_CERT_REJECTED = 28;
const OPENSSL_DEFAULT_MAX_CERT_LIST = 100 * 1024;

/** The Certificate message: TLS 1.3 adds a length and extensions to each certificate. */
const MAX_MESSAGE_BYTES = MAX_CHAIN_BYTES + 256;

/** Sets what bounds the handshakes of a context. */
export type HandshakeGuard = (context: SecureContext) => void;

let loaded: HandshakeGuard | undefined;

/**
 * Bounds what a peer without identity can make a handshake cost. OpenSSL verifies a peer's chain inside the handshake,
 * in the event loop, with any key and up to 100 KB of certificates: 13 KB with DSA keys take 80 ms. Node offers no setting for
 * it, so this goes to OpenSSL itself, which Node exports: the message is limited to 16 KB, and the chain is judged by
 * `findChainLimitFault` before OpenSSL may use a key of it. A server ends the handshake with the alert bad_certificate;
 * a client finishes it, and `verifyPeer` refuses the same chain. Also stops TLS 1.3 session tickets, which
 * `SSL_OP_NO_TICKET` only turns into another kind, and compressed certificates (RFC 8879).
 *
 * Loaded once a process: OpenSSL keeps a pointer to the callback for as long as there are contexts.
 * @throws NetError `openssl_unavailable`
 */
export function loadHandshakeGuard(): HandshakeGuard {
  loaded ??= createGuard();
  return loaded;
}

function createGuard(): HandshakeGuard {
  const openssl = bindOpenssl();
  const onVerify = koffi.register(createVerifyCallback(openssl), koffi.pointer(openssl.verifyCallback));
  return (context) => {
    const address = readAddress(context);
    // Reads a value that is known before anything is written: the address is that of a context, or nothing goes on.
    const present = Number(openssl.contextControl(address, SSL_CTRL_GET_MAX_CERT_LIST, 0, null));
    if (present !== OPENSSL_DEFAULT_MAX_CERT_LIST && present !== MAX_MESSAGE_BYTES) {
      throw unavailable(`its context has an unknown limit of ${present} bytes`);
    }
    openssl.contextControl(address, SSL_CTRL_SET_MAX_CERT_LIST, MAX_MESSAGE_BYTES, null);
    openssl.setOptions(address, SSL_OP_NO_CERTIFICATE_COMPRESSION);
    openssl.setTickets(address, 0);
    openssl.setVerifyCallback(address, onVerify, null);
  };
}

type Openssl = ReturnType<typeof bindOpenssl>;

function bindOpenssl() {
  try {
    const library = koffi.load(null);
    const verifyCallback = koffi.proto("int", ["void *", "void *"]);
    return {
      verifyCallback,
      contextControl: library.func("long SSL_CTX_ctrl(void *context, int command, long value, void *pointer)"),
      setOptions: library.func("uint64_t SSL_CTX_set_options(void *context, uint64_t options)"),
      setTickets: library.func("int SSL_CTX_set_num_tickets(void *context, size_t count)"),
      setVerifyCallback: library.func("SSL_CTX_set_cert_verify_callback", "void", [
        "void *",
        koffi.pointer(verifyCallback),
        "void *",
      ]),
      peerChain: library.func("void *X509_STORE_CTX_get0_untrusted(void *store)"),
      setError: library.func("void X509_STORE_CTX_set_error(void *store, int error)"),
      verify: library.func("int X509_verify_cert(void *store)"),
      count: library.func("int OPENSSL_sk_num(void *stack)"),
      at: library.func("void *OPENSSL_sk_value(void *stack, int index)"),
      certificateLength: library.func("int i2d_X509(void *certificate, void *none)"),
      writeCertificate: library.func("int i2d_X509(void *certificate, _Inout_ void **out)"),
      allocate: library.func("void *CRYPTO_malloc(size_t bytes, void *file, int line)"),
    };
  } catch (caught) {
    throw unavailable(caught instanceof Error ? caught.message : String(caught), caught);
  }
}

/** OpenSSL's own verification, behind the limits. Runs inside the handshake: whatever it throws is a refusal. */
function createVerifyCallback(openssl: Openssl): (store: unknown) => number {
  const scratch: unknown = openssl.allocate(MAX_MESSAGE_BYTES, null, 0);
  if (typeof scratch !== "bigint") throw unavailable("no memory");
  const bytes = new Uint8Array(koffi.view(scratch, MAX_MESSAGE_BYTES));
  const judge = (store: unknown): boolean => {
    const stack: unknown = openssl.peerChain(store);
    const count = Number(openssl.count(stack));
    if (count > MAX_CHAIN_CERTIFICATES) return false;
    const chain: Uint8Array[] = [];
    let end = 0;
    for (let index = 0; index < count; index += 1) {
      const certificate: unknown = openssl.at(stack, index);
      const start = end;
      end += Number(openssl.certificateLength(certificate, null));
      if (end <= start || end > MAX_MESSAGE_BYTES) return false;
      openssl.writeCertificate(certificate, [scratch + BigInt(start)]);
      chain.push(bytes.subarray(start, end));
    }
    return findChainLimitFault(chain) === undefined;
  };
  return (store) => {
    try {
      if (judge(store)) return Number(openssl.verify(store));
      openssl.setError(store, X509_V_ERR_CERT_REJECTED);
      return 0;
    } catch {
      return 0;
    }
  };
}

/** The address of OpenSSL's context, which Node hands to native modules as an External. */
function readAddress(context: SecureContext): bigint {
  const handle: unknown = context.context;
  const external: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "_external") : undefined;
  const [, address] = /^\[External: (?:0x)?([0-9a-f]+)\]$/i.exec(inspect(external)) ?? [];
  if (address === undefined) throw unavailable("its contexts have no address");
  return BigInt(`0x${address}`);
}

function unavailable(reason: string, cause?: unknown): NetError {
  const message = `this Node does not offer what bounds a TLS handshake (${reason}): use the official build of Node 24`;
  return new NetError("openssl_unavailable", message, { cause });
}
