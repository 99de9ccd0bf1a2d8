import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { DER_TAG, DerReader } from "../../mesh/identity/der-reader.ts";
import { findPublicKeyFault } from "../../mesh/identity/public-key-rules.ts";
import { CaError } from "../ca-error.ts";

/** Why one of our own keys is not accepted; undefined if it is. Every peer applies the same rules. */
export function findKeyFault(key: KeyObject): string | undefined {
  const fault = findPublicKeyFault(formatPublicKey(key));
  return fault && `it ${fault.message}`;
}

/** Parses a caller's SubjectPublicKeyInfo. It may be copied into a certificate: a key has only one accepted encoding. */
export function parsePublicKey(spki: Uint8Array): KeyObject {
  // Checked before OpenSSL decodes the key: explicit curve parameters are expensive to decode.
  const fault = findPublicKeyFault(spki);
  if (fault !== undefined) throw new CaError("csr_key", `the request ${fault.message}`);
  return importKey(spki);
}

/** The SubjectPublicKeyInfo of a key, in DER. An export costs as much as a signature: keep the result. */
export function formatPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

/** The identifier of a SubjectPublicKeyInfo: SHA-256 of its bits, truncated to 160 (RFC 7093, section 2, method 1). */
export function keyIdentifier(spki: Uint8Array): Buffer {
  const outer = new DerReader(spki);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the public key"));
  fields.expect(DER_TAG.sequence, "the key's algorithm");
  const bits = fields.content(fields.expect(DER_TAG.bitString, "the key's bits"));
  // The first octet counts the unused bits, and is not a part of the key.
  return createHash("sha256").update(bits.subarray(1)).digest().subarray(0, 20);
}

function importKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), type: "spki", format: "der" });
  } catch (caught) {
    throw new CaError("csr_key", "the public key cannot be read", { cause: caught });
  }
}
