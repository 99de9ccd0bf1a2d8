import type { X509Certificate } from "node:crypto";
import { loadOpenssl } from "./openssl.ts";

/** A peer's certificates and the one root by which they are verified. */
export interface ChainByRoot {
  /** As the peer sent them, leaf first. */
  readonly certificates: readonly X509Certificate[];
  readonly root: X509Certificate;
  /** What the peer is in its connection. */
  readonly role: "client" | "server";
}

/**
 * OpenSSL's verdict on a chain by one root alone, now; `undefined`: accepted, else its reason. In a handshake OpenSSL
 * has the roots of all trust domains and looks for an issuer by name and key identifier alone: if another certificate
 * has both, it may choose the wrong one and does not try again. Node cannot verify a chain outside of a handshake, so
 * this calls OpenSSL itself, whose symbols Node exports. Costs a fraction of a millisecond.
 */
export function verifyByRoot({ certificates, root, role }: ChainByRoot): string | undefined {
  const openssl = loadOpenssl();
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
