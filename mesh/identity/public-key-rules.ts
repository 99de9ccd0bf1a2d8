import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { readOid } from "./x509-extensions.ts";

/** Why a public key is not accepted. `weak_key`: too small to be safe; `unsupported_key`: not an allowed type. */
export interface PublicKeyFault {
  readonly reason: "weak_key" | "unsupported_key";
  /** Continues a sentence whose subject is the certificate or request: "has an RSA key of 1024 bits; …". */
  readonly message: string;
}

const EC_PUBLIC_KEY = "1.2.840.10045.2.1";
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";

/**
 * The allowed curves, and the bytes of one coordinate. Explicit parameters are not allowed (RFC 5480, section 2.1.1).
 */
const CURVE_OCTETS: Readonly<Record<string, number>> = { "1.2.840.10045.3.1.7": 32, "1.3.132.0.34": 48 };

const RSA_BITS = { min: 2048, max: 8192 } as const;

/** 65537. Smaller exponents have a history of broken padding; larger ones only make each verification expensive. */
const RSA_EXPONENT = "010001";

const ALLOWED = `use ECDSA P-256 or P-384, or RSA with ${RSA_BITS.min} to ${RSA_BITS.max} bits`;

/**
 * Checks a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) against the allowed types and sizes, without any
 * calculation. A key has exactly one encoding that is accepted, so its bytes may be copied and compared. This must precede any use of an unverified peer's key: with a 10,000-bit DSA key, or an RSA exponent of
 * thousands of bits, one verification takes OpenSSL about 10 ms, and the signature needs no private key.
 */
export function findPublicKeyFault(publicKeyInfo: Uint8Array): PublicKeyFault | undefined {
  try {
    return judgeKey(publicKeyInfo);
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return unsupported(`has a public key that cannot be parsed: ${caught.message}`);
  }
}

function judgeKey(publicKeyInfo: Uint8Array): PublicKeyFault | undefined {
  const outer = new DerReader(publicKeyInfo);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the public key"));
  outer.finish("the public key");
  const algorithm = fields.inside(fields.expect(DER_TAG.sequence, "the key's algorithm"));
  const oid = readOid(algorithm.content(algorithm.expect(DER_TAG.objectIdentifier, "the key's algorithm")));
  const bits = fields.content(fields.expect(DER_TAG.bitString, "the key's bits"));
  fields.finish("the key's bits");
  if (bits[0] !== 0) return unsupported("has a public key with unused bits");
  switch (oid) {
    case EC_PUBLIC_KEY:
      return judgeEcKey(algorithm, bits.subarray(1));
    case RSA_ENCRYPTION:
      algorithm.inside(algorithm.expect(DER_TAG.null, "the parameters of an RSA key")).finish("the null");
      algorithm.finish("the parameters of an RSA key");
      return judgeRsaKey(bits.subarray(1));
    default:
      return unsupported(`has a public key with the algorithm ${oid}, which is not accepted: ${ALLOWED}`);
  }
}

function judgeEcKey(algorithm: DerReader, point: Uint8Array): PublicKeyFault | undefined {
  const parameters = algorithm.next("the curve");
  algorithm.finish("the curve");
  if (parameters.tag !== DER_TAG.objectIdentifier) {
    return unsupported(`has an EC key on an unnamed curve, which is not accepted: ${ALLOWED}`);
  }
  const curve = readOid(algorithm.content(parameters));
  const octets = Object.hasOwn(CURVE_OCTETS, curve) ? CURVE_OCTETS[curve] : undefined;
  if (octets === undefined)
    return unsupported(`has an EC key on the curve ${curve}, which is not accepted: ${ALLOWED}`);
  // Uncompressed (RFC 5480, section 2.2): no agent sends the compressed form, and decoding it costs a square root.
  const isPoint = point[0] === 4 && point.length === 1 + 2 * octets;
  return isPoint ? undefined : unsupported("has an EC key that is not an uncompressed point");
}

function judgeRsaKey(der: Uint8Array): PublicKeyFault | undefined {
  const outer = new DerReader(der);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the RSA key"));
  outer.finish("the RSA key");
  const modulus = fields.content(fields.expect(DER_TAG.integer, "the modulus"));
  const exponent = fields.content(fields.expect(DER_TAG.integer, "the exponent"));
  fields.finish("the exponent");
  if (modulus[0] === 0 && (modulus[1] ?? 0) < 0x80) return unsupported("has an RSA key whose modulus is not in DER");
  const bits = countBits(modulus);
  if (bits < RSA_BITS.min) return { reason: "weak_key", message: `has an RSA key of ${bits} bits; ${ALLOWED}` };
  if (bits > RSA_BITS.max) return unsupported(`has an RSA key of ${bits} bits; ${ALLOWED}`);
  // An even modulus is not a product of two primes, and takes OpenSSL's slow path.
  if (((modulus.at(-1) ?? 0) & 1) === 0) return unsupported("has an RSA key with an even modulus");
  if (Buffer.from(exponent).toString("hex") !== RSA_EXPONENT) {
    return unsupported("has an RSA key with an exponent other than 65537");
  }
  return undefined;
}

/** The bit length of a DER INTEGER's content; 0 if it is negative. */
function countBits(content: Uint8Array): number {
  if ((content[0] ?? 0) >= 0x80) return 0;
  const first = content.findIndex((octet) => octet !== 0);
  return first < 0 ? 0 : (content.length - first) * 8 - Math.clz32(content[first] ?? 0) + 24;
}

function unsupported(message: string): PublicKeyFault {
  return { reason: "unsupported_key", message };
}
