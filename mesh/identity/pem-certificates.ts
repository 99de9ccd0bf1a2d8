/** All certificates of a text, one PEM each; text between them is ignored, as in OpenSSL. */
export function splitCertificates(text: string): readonly string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block}\n`);
}

const BORDER = /-----(?:BEGIN|END) (?:[A-Z0-9]+ )?CERTIFICATE-----/g;

/**
 * The same for a text of which none may be missed, such as a bundle of roots: one that was half written would lose a root,
 * and the connections of all who have a certificate of it. Throws an Error if a certificate is incomplete or damaged, or
 * has the label `TRUSTED CERTIFICATE` or `X509 CERTIFICATE`.
 */
export function splitWholeCertificates(text: string): readonly string[] {
  const blocks = splitCertificates(text);
  const borders = text.match(BORDER) ?? [];
  if (borders.length === 2 * blocks.length) return blocks;
  throw new Error(
    'there is a certificate that is incomplete, or not between the lines "-----BEGIN CERTIFICATE-----" and ' +
      '"-----END CERTIFICATE-----"',
  );
}
