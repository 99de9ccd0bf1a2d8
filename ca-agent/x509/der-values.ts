/** The ASN.1 values that certificates need, based on node-forge. No other file of this folder imports forge's ASN.1. */
import asn1 from "node-forge/lib/asn1.js";
import { readOid as readOidContent } from "../../mesh/identity/x509-extensions.ts";

export type DerValue = ReturnType<typeof asn1.create>;

/** Certificates nest about ten levels deep; forge's own default is far more than a valid request needs. */
const MAX_DEPTH = 24;

/**
 * Parses one DER value that fills `bytes` exactly. The value must encode back to the same bytes: forge also accepts
 * BER, where one value has several encodings, and a request must have only one reading. Throws a plain Error otherwise.
 */
export function parseDer(bytes: Uint8Array): DerValue {
  const text = Buffer.from(bytes).toString("latin1");
  const options = { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: MAX_DEPTH };
  const value = asn1.fromDer(text, options);
  if (asn1.toDer(value).getBytes() !== text) throw new Error("the encoding is not DER");
  return value;
}

export function formatDer(value: DerValue): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "latin1");
}

/** The members of a SEQUENCE; throws a plain Error if it is not one or has too few. */
export function readSequence(value: DerValue | undefined, atLeast: number): readonly DerValue[] {
  if (value === undefined || !hasTag(value, asn1.Type.SEQUENCE) || !Array.isArray(value.value)) {
    throw new Error("a SEQUENCE is missing");
  }
  if (value.value.length < atLeast) throw new Error(`a SEQUENCE has ${value.value.length} members, not ${atLeast}`);
  return value.value;
}

/** Not by node-forge, which accepts an arc with padding, a second encoding of the same OID (X.690, section 8.19.2). */
export function readOid(value: DerValue | undefined): string {
  return readOidContent(readPrimitive(value, asn1.Type.OID));
}

/** The content of an OCTET STRING that fills `bytes`. */
export function readOctetString(bytes: Uint8Array): Buffer {
  return readPrimitive(parseDer(bytes), asn1.Type.OCTETSTRING);
}

export function isNull(value: DerValue): boolean {
  return hasTag(value, asn1.Type.NULL) && value.value === "";
}

export function formatSequence(members: readonly DerValue[]): DerValue {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [...members]);
}

export function formatSet(members: readonly DerValue[]): DerValue {
  return asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [...members]);
}

export function formatOid(dotted: string): DerValue {
  return primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
}

/** A positive INTEGER; the first octet must be below 0x80. */
export function formatInteger(octets: Uint8Array): DerValue {
  return primitive(asn1.Type.INTEGER, latin1(octets));
}

export function formatBoolean(value: boolean): DerValue {
  return primitive(asn1.Type.BOOLEAN, value ? "\xff" : "\x00");
}

export function formatNull(): DerValue {
  return primitive(asn1.Type.NULL, "");
}

export function formatOctetString(octets: Uint8Array): DerValue {
  return primitive(asn1.Type.OCTETSTRING, latin1(octets));
}

export function formatBitString(octets: Uint8Array, unusedBits = 0): DerValue {
  return primitive(asn1.Type.BITSTRING, String.fromCharCode(unusedBits) + latin1(octets));
}

export function formatUtf8String(text: string): DerValue {
  return primitive(asn1.Type.UTF8, latin1(Buffer.from(text, "utf8")));
}

/** UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280, section 4.1.2.5). Fractions of a second are dropped. */
export function formatTime(epochMs: number): DerValue {
  const time = new Date(epochMs);
  return time.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, String(asn1.dateToUtcTime(time)))
    : primitive(asn1.Type.GENERALIZEDTIME, String(asn1.dateToGeneralizedTime(time)));
}

/** `[tag]` around other values. */
export function formatExplicit(tag: number, members: readonly DerValue[]): DerValue {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, [...members]);
}

/** `[tag] IMPLICIT` of a primitive type. */
export function formatImplicit(tag: number, octets: Uint8Array): DerValue {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, false, latin1(octets));
}

function readPrimitive(value: DerValue | undefined, type: asn1.Type): Buffer {
  if (value === undefined || !hasTag(value, type) || typeof value.value !== "string") {
    throw new Error("a value is missing or of another type");
  }
  return Buffer.from(value.value, "latin1");
}

function hasTag(value: DerValue, type: asn1.Type): boolean {
  return value.tagClass === asn1.Class.UNIVERSAL && value.type === type;
}

function primitive(type: asn1.Type, octets: string): DerValue {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, octets);
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets).toString("latin1");
}
