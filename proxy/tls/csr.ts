import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import asn1 from "node-forge/lib/asn1.js";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";

type Asn1 = ReturnType<typeof asn1.create>;

const OID = {
  extensionRequest: "1.2.840.113549.1.9.14",
  subjectAltName: "2.5.29.17",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const;
/** `uniformResourceIdentifier` in GeneralName (RFC 5280, section 4.2.1.6). */
const URI_NAME_TAG = 6;

/** Makes a P-256 key that exists only in memory. Each certificate gets a new one. */
export function createSvidKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/**
 * Formats a PKCS#10 request (RFC 2986), PEM: empty subject, the SPIFFE id as its only name, critical because the
 * subject is empty (RFC 5280, section 4.2.1.6). Authorities of the mesh sign the caller's identity whatever is
 * requested; the name is included for those that check it.
 */
export function formatCertificateRequest(privateKey: KeyObject, identity: SpiffeId): string {
  const info = sequence([
    primitive(asn1.Type.INTEGER, "\x00"),
    sequence([]),
    asn1.fromDer(createPublicKey(privateKey).export({ type: "spki", format: "der" }).toString("latin1")),
    contextual(0, [formatExtensionRequest(identity)]),
  ]);
  const signature = sign("sha256", toDer(info), privateKey);
  const request = sequence([
    info,
    sequence([objectIdentifier(OID.ecdsaWithSha256)]),
    primitive(asn1.Type.BITSTRING, `\x00${signature.toString("latin1")}`),
  ]);
  return formatPem(toDer(request));
}

function formatExtensionRequest(identity: SpiffeId): Asn1 {
  const names = sequence([asn1.create(asn1.Class.CONTEXT_SPECIFIC, URI_NAME_TAG, false, identity)]);
  const subjectAltName = sequence([
    objectIdentifier(OID.subjectAltName),
    primitive(asn1.Type.BOOLEAN, "\xff"),
    primitive(asn1.Type.OCTETSTRING, asn1.toDer(names).getBytes()),
  ]);
  return sequence([
    objectIdentifier(OID.extensionRequest),
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [sequence([subjectAltName])]),
  ]);
}

function sequence(items: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, items);
}

function contextual(tag: number, items: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, items);
}

function primitive(type: asn1.Type, octets: string): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, octets);
}

function objectIdentifier(dotted: string): Asn1 {
  return primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
}

function toDer(value: Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "latin1");
}

function formatPem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join("\n")}\n-----END CERTIFICATE REQUEST-----\n`;
}
