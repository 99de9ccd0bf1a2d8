import type { X509Certificate } from "node:crypto";
import koffi from "koffi";

/** A peer's certificates and the one root by which they are verified. */
export interface ChainByRoot {
  /** As the peer sent them, leaf first. */
  readonly certificates: readonly X509Certificate[];
  readonly root: X509Certificate;
  /** What the peer is in its connection. */
  readonly role: "client" | "server";
}

let bound: Openssl | undefined;

/**
 * OpenSSL's verdict on a chain by one root alone, now; `undefined`: accepted, else its reason. In a handshake OpenSSL
 * has the roots of all trust domains and looks for an issuer by name and key identifier alone: if another certificate
 * has both, it may choose the wrong one and does not try again. Node cannot verify a chain outside of a handshake, so
 * this calls OpenSSL itself, whose symbols Node exports. Costs a fraction of a millisecond.
 */
export function verifyByRoot({ certificates, root, role }: ChainByRoot): string | undefined {
  bound ??= bindOpenssl();
  const openssl = bound;
  const frees: (() => void)[] = [];
  const owned = (pointer: unknown, free: (pointer: unknown) => void): unknown => {
    if (pointer !== null) frees.push(() => free(pointer));
    return pointer;
  };
  const read = (certificate: X509Certificate): unknown => {
    const bio = openssl.newBio(certificate.raw, certificate.raw.length);
    const pointer = openssl.readCertificate(bio, null);
    openssl.freeBio(bio);
    return owned(pointer, openssl.freeCertificate);
  };
  try {
    const [leaf, ...intermediates] = certificates.map(read);
    const anchor = read(root);
    const store = owned(openssl.newStore(), openssl.freeStore);
    const untrusted = owned(openssl.newStack(), openssl.freeStack);
    const context = owned(openssl.newContext(), openssl.freeContext);
    const isReady =
      [leaf, ...intermediates, anchor, store, untrusted, context].every((pointer) => Boolean(pointer)) &&
      openssl.addRoot(store, anchor) === 1 &&
      intermediates.every((pointer) => openssl.push(untrusted, pointer) > 0) &&
      openssl.initialize(context, store, leaf, untrusted) === 1 &&
      openssl.setPurpose(context, `ssl_${role}`) === 1;
    if (!isReady) return "OpenSSL cannot read the chain";
    if (openssl.verify(context) === 1) return undefined;
    return String(openssl.describeError(openssl.errorOf(context)));
  } finally {
    for (const free of frees.reverse()) free();
  }
}

type Openssl = ReturnType<typeof bindOpenssl>;

function bindOpenssl() {
  const library = koffi.load(null);
  return {
    newBio: library.func("void *BIO_new_mem_buf(const uint8_t *bytes, int length)"),
    freeBio: library.func("int BIO_free(void *bio)"),
    readCertificate: library.func("void *d2i_X509_bio(void *bio, void *reused)"),
    freeCertificate: library.func("void X509_free(void *certificate)"),
    newStore: library.func("void *X509_STORE_new(void)"),
    freeStore: library.func("void X509_STORE_free(void *store)"),
    addRoot: library.func("int X509_STORE_add_cert(void *store, void *certificate)"),
    newStack: library.func("void *OPENSSL_sk_new_null(void)"),
    freeStack: library.func("void OPENSSL_sk_free(void *stack)"),
    push: library.func("int OPENSSL_sk_push(void *stack, void *item)"),
    newContext: library.func("void *X509_STORE_CTX_new(void)"),
    freeContext: library.func("void X509_STORE_CTX_free(void *context)"),
    initialize: library.func("int X509_STORE_CTX_init(void *context, void *store, void *leaf, void *untrusted)"),
    setPurpose: library.func("int X509_STORE_CTX_set_default(void *context, const char *name)"),
    verify: library.func("int X509_verify_cert(void *context)"),
    errorOf: library.func("int X509_STORE_CTX_get_error(void *context)"),
    describeError: library.func("const char *X509_verify_cert_error_string(long error)"),
  };
}
