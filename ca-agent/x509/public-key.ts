import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { findPublicKeyFault } from "../../mesh/identity/public-key-rules.ts";
import { CaError } from "../ca-error.ts";
import { parseDer, readBitString, readSequence } from "./der-values.ts";

/** Why one of our own keys is not accepted; undefined if it is. Every peer applies the same rules. */
export function findKeyFault(key: KeyObject): string | undefined {
  const fault = findPublicKeyFault(formatPublicKey(key));
  return fault && `it ${fault.message}`;
}

/**
 * Parses a caller's SubjectPublicKeyInfo. The key is decoded and encoded again, so that only its numbers reach a
 * certificate: other encoding variants are dropped.
 */
export function parsePublicKey(spki: Uint8Array): KeyObject {
  // Checked before OpenSSL decodes the key: explicit curve parameters are expensive to decode.
  const fault = findPublicKeyFault(spki);
  if (fault !== undefined) throw new CaError("csr_key", `the request ${fault.message}`);
  return createPublicKey({ key: importKey(spki).export({ format: "jwk" }), format: "jwk" });
}

export function formatPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

/** The key identifier: SHA-256 of its bits, truncated to 160 (RFC 7093, section 2, method 1). */
export function keyIdentifier(key: KeyObject): Buffer {
  const [, bits] = readSequence(parseDer(formatPublicKey(key)), 2);
  return createHash("sha256").update(readBitString(bits)).digest().subarray(0, 20);
}

function importKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), type: "spki", format: "der" });
  } catch (caught) {
    throw new CaError("csr_key", "the public key cannot be read", { cause: caught });
  }
}
