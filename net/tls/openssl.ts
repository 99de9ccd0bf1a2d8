import koffi from "koffi";
import { NetError } from "../net-error.ts";

/** The functions of OpenSSL that Node lacks. Node exports their symbols. */
export type Openssl = ReturnType<typeof bindOpenssl>;

let bound: Openssl | undefined;

/** @throws NetError `openssl_unavailable` */
export function loadOpenssl(): Openssl {
  bound ??= bindOpenssl();
  return bound;
}

function bindOpenssl() {
  try {
    const library = koffi.load(null);
    // write_p, version, content_type, buf, len, ssl, arg
    const messageCallback = koffi.proto("void", ["int", "int", "int", "void *", "size_t", "void *", "void *"]);
    const watch = ["void *", koffi.pointer(messageCallback)];
    return {
      messageCallback,
      contextControl: library.func("long SSL_CTX_ctrl(void *context, int command, long value, void *pointer)"),
      setOptions: library.func("uint64_t SSL_CTX_set_options(void *context, uint64_t options)"),
      setTickets: library.func("int SSL_CTX_set_num_tickets(void *context, size_t count)"),
      // Takes the list over.
      nameAuthorities: library.func("void SSL_CTX_set_client_CA_list(void *context, void *names)"),
      watchContext: library.func("SSL_CTX_set_msg_callback", "void", watch),
      watchConnection: library.func("SSL_set_msg_callback", "void", watch),
      groupName: library.func("const char *SSL_get0_group_name(void *connection)"),
      leaf: library.func("void *SSL_get0_peer_certificate(void *connection)"),
      sentChain: library.func("void *SSL_get_peer_cert_chain(void *connection)"),
      newStack: library.func("void *OPENSSL_sk_new_null(void)"),
      freeStack: library.func("void OPENSSL_sk_free(void *stack)"),
      push: library.func("int OPENSSL_sk_push(void *stack, void *item)"),
      count: library.func("int OPENSSL_sk_num(void *stack)"),
      at: library.func("void *OPENSSL_sk_value(void *stack, int index)"),
      newBio: library.func("void *BIO_new_mem_buf(const uint8_t *bytes, int length)"),
      freeBio: library.func("int BIO_free(void *bio)"),
      readCertificate: library.func("void *d2i_X509_bio(void *bio, void *reused)"),
      freeCertificate: library.func("void X509_free(void *certificate)"),
      newStore: library.func("void *X509_STORE_new(void)"),
      freeStore: library.func("void X509_STORE_free(void *store)"),
      addRoot: library.func("int X509_STORE_add_cert(void *store, void *certificate)"),
      newContext: library.func("void *X509_STORE_CTX_new(void)"),
      freeContext: library.func("void X509_STORE_CTX_free(void *context)"),
      initialize: library.func("int X509_STORE_CTX_init(void *context, void *store, void *leaf, void *untrusted)"),
      setPurpose: library.func("int X509_STORE_CTX_set_default(void *context, const char *name)"),
      verify: library.func("int X509_verify_cert(void *context)"),
      errorOf: library.func("int X509_STORE_CTX_get_error(void *context)"),
      describeError: library.func("const char *X509_verify_cert_error_string(long error)"),
      encode: library.func("int i2d_X509(void *certificate, _Inout_ void **out)"),
      release: library.func("void CRYPTO_free(void *memory, const char *file, int line)"),
      copy: library.func("void *memcpy(_Out_ uint8_t *to, void *from, size_t bytes)"),
      fill: library.func("void *memset(void *to, int octet, size_t bytes)"),
    };
  } catch (caught) {
    throw opensslUnavailable(caught instanceof Error ? caught.message : String(caught), caught);
  }
}

/**
 * The peer's certificates in DER, leaf first, as it has sent them. On the server's side OpenSSL keeps the leaf apart from
 * the others.
 */
export function readSentCertificates(openssl: Openssl, connection: unknown): readonly Buffer[] {
  const leaf: unknown = openssl.leaf(connection);
  if (leaf === null) return [];
  const chain: unknown = openssl.sentChain(connection);
  const count = chain === null ? 0 : Number(openssl.count(chain));
  const sent = Array.from({ length: Math.max(count, 0) }, (_, index): unknown => openssl.at(chain, index));
  const first = encodeCertificate(openssl, leaf);
  const others = sent.map((certificate) => encodeCertificate(openssl, certificate));
  return [first, ...(others[0]?.equals(first) === true ? others.slice(1) : others)];
}

function encodeCertificate(openssl: Openssl, certificate: unknown): Buffer {
  // For null OpenSSL allocates the memory.
  const out: [unknown] = [null];
  const bytes = Number(openssl.encode(certificate, out));
  if (bytes <= 0) throw new NetError("openssl_unavailable", "OpenSSL cannot encode a certificate that it has decoded");
  try {
    const der = Buffer.alloc(bytes);
    openssl.copy(der, out[0], bytes);
    return der;
  } finally {
    openssl.release(out[0], null, 0);
  }
}

export function opensslUnavailable(reason: string, cause?: unknown): NetError {
  const message = `this Node does not offer what bounds a TLS handshake (${reason}): use the official build of Node 24`;
  return new NetError("openssl_unavailable", message, { cause });
}
