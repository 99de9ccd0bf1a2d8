import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";

/** One extension of a certificate. */
export interface X509Extension {
  /** Dotted decimal: `2.5.29.17`. */
  readonly oid: string;
  readonly critical: boolean;
  /** The DER inside the extension's octet string. */
  readonly value: Uint8Array;
}

/** OIDs of the extensions that are looked at (RFC 5280, section 4.2.1). */
export const EXTENSION_OID = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

/** A workload's certificate is about 1 KB; the cap bounds the work that an unauthenticated peer can cause. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;
const CONTEXT = { version: 0xa0, issuerUniqueId: 0x81, subjectUniqueId: 0x82, extensions: 0xa3 } as const;

/**
 * Reads a certificate's extensions from its DER, from the signed part alone. Each OID may occur once (RFC 5280, section
 * 4.2): OpenSSL returns the first or the last of several, depending on the caller.
 */
export function readExtensions(certificateDer: Uint8Array): readonly X509Extension[] {
  if (certificateDer.length > MAX_CERTIFICATE_BYTES) {
    throw new IdentityError("certificate_der", `the certificate is larger than ${MAX_CERTIFICATE_BYTES} bytes`);
  }
  const whole = new DerReader(certificateDer);
  const certificate = whole.inside(whole.expect(DER_TAG.sequence, "the certificate"));
  whole.finish("the certificate");
  const signed = certificate.inside(certificate.expect(DER_TAG.sequence, "the signed part"));
  certificate.expect(DER_TAG.sequence, "the signature algorithm");
  certificate.expect(DER_TAG.bitString, "the signature");
  certificate.finish("the signature");
  const list = skipToExtensions(signed);
  return list === undefined ? [] : readList(list);
}

function skipToExtensions(signed: DerReader): DerReader | undefined {
  signed.optional(CONTEXT.version, "the version");
  signed.expect(DER_TAG.integer, "the serial number");
  for (const what of ["the algorithm", "the issuer", "the validity", "the subject", "the public key"]) {
    signed.expect(DER_TAG.sequence, what);
  }
  signed.optional(CONTEXT.issuerUniqueId, "the issuer's unique id");
  signed.optional(CONTEXT.subjectUniqueId, "the subject's unique id");
  const tagged = signed.optional(CONTEXT.extensions, "the extensions");
  signed.finish("the signed part");
  if (tagged === undefined) return undefined;
  const outer = signed.inside(tagged);
  const list = outer.inside(outer.expect(DER_TAG.sequence, "the list of extensions"));
  outer.finish("the list of extensions");
  return list;
}

function readList(list: DerReader): readonly X509Extension[] {
  const extensions: X509Extension[] = [];
  while (!list.atEnd) {
    const extension = readExtension(list);
    if (extensions.some((other) => other.oid === extension.oid)) {
      throw new IdentityError("certificate_der", `the extension ${extension.oid} occurs twice`);
    }
    extensions.push(extension);
  }
  return extensions;
}

function readExtension(list: DerReader): X509Extension {
  const fields = list.inside(list.expect(DER_TAG.sequence, "an extension"));
  const oid = formatOid(fields.content(fields.expect(DER_TAG.objectIdentifier, "an extension's OID")));
  const flag = fields.optional(DER_TAG.boolean, "an extension's criticality");
  const value = fields.content(fields.expect(DER_TAG.octetString, "an extension's value"));
  fields.finish("an extension's value");
  return { oid, critical: flag !== undefined && readBoolean(fields.content(flag)), value };
}

function readBoolean(content: Uint8Array): boolean {
  const [octet] = content;
  if (content.length !== 1 || (octet !== 0x00 && octet !== 0xff)) {
    throw new IdentityError("certificate_der", "a BOOLEAN is neither 00 nor FF");
  }
  return octet === 0xff;
}

/** OID content (X.690, section 8.19) in dotted decimal. */
function formatOid(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let open = false;
  for (const octet of content) {
    if ((!open && octet === 0x80) || arc > 0x1_ff_ff_ff_ff) throw oidError();
    arc = arc * 128 + (octet & 0x7f);
    open = octet >= 0x80;
    if (open) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first] = arcs;
  if (open || first === undefined) throw oidError();
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...arcs.slice(1)].join(".");
}

function oidError(): IdentityError {
  return new IdentityError("certificate_der", "an object identifier is malformed");
}
