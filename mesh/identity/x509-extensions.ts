import { readCertificateParts } from "./certificate-parts.ts";
import { DER_TAG, type DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";

/** One extension of a certificate. */
export interface X509Extension {
  /** Dotted decimal: `2.5.29.17`. */
  readonly oid: string;
  readonly critical: boolean;
  /** The DER inside the extension's octet string. */
  readonly value: Uint8Array;
}

/** OIDs of the extensions that are evaluated (RFC 5280, section 4.2.1). */
export const EXTENSION_OID = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

/**
 * Parses a certificate's extensions from its DER, only from the signed part. Each OID may occur once (RFC 5280, section
 * 4.2): OpenSSL returns the first or the last of several, depending on the caller.
 */
export function readExtensions(certificateDer: Uint8Array): readonly X509Extension[] {
  const { extensions } = readCertificateParts(certificateDer);
  return extensions === undefined ? [] : readExtensionList(extensions);
}

/** Parses the content of an `Extensions` sequence; each OID may occur once. */
export function readExtensionList(list: DerReader): readonly X509Extension[] {
  const extensions = new Map<string, X509Extension>();
  while (!list.atEnd) {
    const extension = readExtension(list);
    if (extensions.has(extension.oid)) {
      throw new IdentityError("certificate_der", `the extension ${extension.oid} occurs twice`);
    }
    extensions.set(extension.oid, extension);
  }
  return [...extensions.values()];
}

function readExtension(list: DerReader): X509Extension {
  const fields = list.inside(list.expect(DER_TAG.sequence, "an extension"));
  const oid = readOid(fields.content(fields.expect(DER_TAG.objectIdentifier, "an extension's OID")));
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

/** Those of certificates have some ten octets. It bounds messages, which name what an unverified peer has sent. */
const MAX_OID_OCTETS = 64;

/** OID content (X.690, section 8.19) as dotted decimal. */
export function readOid(content: Uint8Array): string {
  if (content.length > MAX_OID_OCTETS) throw oidError();
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
