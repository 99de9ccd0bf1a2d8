import { EXTENSION_OID } from "../../mesh/identity/x509-extensions.ts";
import {
  type DerValue,
  formatBitString,
  formatBoolean,
  formatDer,
  formatImplicit,
  formatInteger,
  formatOctetString,
  formatOid,
  formatSequence,
} from "./der-values.ts";
import { keyIdentifier } from "./public-key.ts";

/** A name in the subject alternative name extension. */
export type AlternativeName = { readonly kind: "uri" | "dns"; readonly value: string };

const NAME_TAG = { dns: 2, uri: 6 } as const;
const USAGE_OID = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
/** KeyUsage as a BIT STRING: the byte, and how many of its low bits are unused (RFC 5280, section 4.2.1.3). */
const KEY_USAGE = {
  endEntity: { octet: 0xa0, unusedBits: 5 },
  authority: { octet: 0x06, unusedBits: 1 },
} as const;

export interface LeafExtensionsInput {
  readonly publicKeyInfo: Uint8Array;
  readonly issuerKeyIdentifier: Uint8Array;
  readonly usages: readonly (keyof typeof USAGE_OID)[];
  readonly names: readonly AlternativeName[];
}

/**
 * The extensions of a leaf. The SAN is critical because the subject is empty (RFC 5280, section 4.2.1.6). Every leaf has
 * key encipherment, as in Istio: it has no meaning for EC keys, but some verifiers require it.
 */
export function formatLeafExtensions(input: LeafExtensionsInput): readonly DerValue[] {
  return [
    formatKeyUsage("endEntity"),
    extension(EXTENSION_OID.extendedKeyUsage, formatSequence(input.usages.map((usage) => formatOid(USAGE_OID[usage])))),
    criticalExtension(EXTENSION_OID.basicConstraints, formatSequence([])),
    extension(EXTENSION_OID.subjectKeyIdentifier, formatOctetString(keyIdentifier(input.publicKeyInfo))),
    extension(EXTENSION_OID.authorityKeyIdentifier, formatSequence([formatImplicit(0, input.issuerKeyIdentifier)])),
    criticalExtension(EXTENSION_OID.subjectAltName, formatSequence(input.names.map(formatAlternativeName))),
  ];
}

/** The extensions of a self-signed root. It needs no authority key identifier (RFC 5280, section 4.2.1.1). */
export function formatRootExtensions(publicKeyInfo: Uint8Array): readonly DerValue[] {
  return [
    formatKeyUsage("authority"),
    criticalExtension(EXTENSION_OID.basicConstraints, formatSequence([formatBoolean(true)])),
    extension(EXTENSION_OID.subjectKeyIdentifier, formatOctetString(keyIdentifier(publicKeyInfo))),
  ];
}

/**
 * The extensions of a root's certificate by another root. The path length is 0, because the root signs leaves alone; both
 * identifiers are those that the roots themselves have, because verifiers compare them.
 */
export function formatCrossExtensions(keyIdentifiers: {
  readonly own: Uint8Array;
  readonly issuer: Uint8Array;
}): readonly DerValue[] {
  const constraints = [formatBoolean(true), formatInteger(Uint8Array.of(0))];
  return [
    formatKeyUsage("authority"),
    criticalExtension(EXTENSION_OID.basicConstraints, formatSequence(constraints)),
    extension(EXTENSION_OID.subjectKeyIdentifier, formatOctetString(keyIdentifiers.own)),
    extension(EXTENSION_OID.authorityKeyIdentifier, formatSequence([formatImplicit(0, keyIdentifiers.issuer)])),
  ];
}

function formatKeyUsage(usage: keyof typeof KEY_USAGE): DerValue {
  const { octet, unusedBits } = KEY_USAGE[usage];
  return criticalExtension(EXTENSION_OID.keyUsage, formatBitString(Uint8Array.of(octet), unusedBits));
}

function formatAlternativeName(name: AlternativeName): DerValue {
  return formatImplicit(NAME_TAG[name.kind], Buffer.from(name.value, "latin1"));
}

function extension(oid: string, value: DerValue): DerValue {
  return formatSequence([formatOid(oid), formatOctetString(formatDer(value))]);
}

function criticalExtension(oid: string, value: DerValue): DerValue {
  return formatSequence([formatOid(oid), formatBoolean(true), formatOctetString(formatDer(value))]);
}
