/** Escapes of RFC 2253, in which a control character is `\0A`. */
const ESCAPE = /\\(?:[0-9A-F]{2}|.)/gs;

/**
 * What two names of certificates have in common if OpenSSL takes them for the same: it compares them without case,
 * without the type of a text and without repeated spaces (RFC 5280, section 7.1). The letters and digits of the text, and
 * nothing else: different names may have the same key, so the key only tells which certificates are worth comparing.
 * @param name `subject` or `issuer` of an X509Certificate; an empty name has none
 */
export function nameKeyOf(name: string | undefined): string {
  return (name ?? "")
    .replaceAll(ESCAPE, "")
    .replaceAll(/[^0-9A-Za-z]+/g, "")
    .toLowerCase();
}
