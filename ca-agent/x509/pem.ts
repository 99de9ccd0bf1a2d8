/** The labels of a PKCS#10 request; the second one is older. */
export const REQUEST_LABELS = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/** Parses a single PEM block (RFC 7468), which may be surrounded by white space only. */
export function parsePem(text: string, labels: readonly string[]): Buffer {
  const match = /^\s*-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END ([A-Z0-9 ]+)-----\s*$/.exec(text);
  const [, label, body = "", endLabel] = match ?? [];
  if (label === undefined || label !== endLabel || !labels.includes(label)) {
    throw new Error(`there is no single PEM block "${labels.join('" or "')}"`);
  }
  const base64 = body.replace(/\s+/g, "");
  const der = Buffer.from(base64, "base64");
  if (der.toString("base64") !== base64) throw new Error("the PEM block is not base64");
  return der;
}

/** Ends with a newline. */
export function formatPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/**
 * All certificate revocation lists of a text, in DER. Throws an Error for a text that has a beginning without an end, or
 * anything but lists in it.
 */
export function parseRevocationLists(text: string): readonly Buffer[] {
  const blocks = text.match(/-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g) ?? [];
  if (blocks.length !== text.split("-----BEGIN ").length - 1 || (blocks.length === 0 && text.trim() !== "")) {
    throw new Error('there is something other than complete PEM blocks "X509 CRL"');
  }
  return blocks.map((block) => parsePem(block, ["X509 CRL"]));
}
