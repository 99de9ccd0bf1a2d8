import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { CaError } from "../ca-error.ts";
import { parseDer, readBitString, readSequence } from "./der-values.ts";

const MIN_RSA_BITS = 2048;
/** Verification with larger keys costs every peer in every handshake. */
const MAX_RSA_BITS = 8192;
/** The exponent that everybody uses; smaller ones have a history of broken padding, larger ones only cost time. */
const MIN_RSA_EXPONENT = 65_537n;
const MAX_RSA_EXPONENT = 2n ** 31n - 1n;
const CURVES: readonly string[] = ["prime256v1", "secp384r1"];

/**
 * Says why a key is not accepted, if so. ECDSA on P-256 or P-384 and RSA are what Istio's agents make
 * (`ECC_SIGNATURE_ALGORITHM`, `WORKLOAD_RSA_KEY_SIZE`); a mesh uses nothing else.
 */
export function findKeyFault(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") {
    const curve = details.namedCurve ?? "without a name";
    return CURVES.includes(curve) ? undefined : `the curve ${curve} is not accepted: use P-256 or P-384`;
  }
  if (key.asymmetricKeyType !== "rsa") {
    return `keys of type ${key.asymmetricKeyType ?? "unknown"} are not accepted: use ECDSA P-256`;
  }
  const { modulusLength = 0, publicExponent = 0n } = details;
  if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) {
    return `an RSA key of ${modulusLength} bits is not accepted: use ${MIN_RSA_BITS} to ${MAX_RSA_BITS}, or ECDSA P-256`;
  }
  if (publicExponent < MIN_RSA_EXPONENT || publicExponent > MAX_RSA_EXPONENT || publicExponent % 2n === 0n) {
    return `the RSA exponent ${publicExponent} is not accepted: use ${MIN_RSA_EXPONENT}`;
  }
  return undefined;
}

/**
 * Reads a caller's SubjectPublicKeyInfo. The key is taken apart and put together again, so that only its numbers reach
 * a certificate: compressed points, explicit curve parameters and whatever else an encoding could carry stay behind.
 */
export function parsePublicKey(spki: Buffer): KeyObject {
  const key = importKey(spki);
  const fault = findKeyFault(key);
  if (fault !== undefined) throw new CaError("csr_key", fault);
  return createPublicKey({ key: key.export({ format: "jwk" }), format: "jwk" });
}

export function formatPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

/** The key's identifier: SHA-256 of its bits, cut to 160 (RFC 7093, section 2, method 1). */
export function keyIdentifier(key: KeyObject): Buffer {
  const [, bits] = readSequence(parseDer(formatPublicKey(key)), 2);
  return createHash("sha256").update(readBitString(bits)).digest().subarray(0, 20);
}

function importKey(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, type: "spki", format: "der" });
  } catch (caught) {
    throw new CaError("csr_key", "the public key cannot be read", { cause: caught });
  }
}
