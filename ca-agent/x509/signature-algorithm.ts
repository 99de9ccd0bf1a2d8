import type { KeyObject } from "node:crypto";
import { type DerValue, formatNull, formatOid, formatSequence, isNull, readOid, readSequence } from "./der-values.ts";

/** A signature's algorithm: the hash and the key type. */
export interface SignatureAlgorithm {
  readonly hash: "sha256" | "sha384" | "sha512";
  readonly keyType: "ec" | "rsa";
}

/** SHA-1 and older are not listed, nor is RSA-PSS: no mesh agent signs its request with them. */
const ALGORITHMS: Readonly<Record<string, SignatureAlgorithm>> = {
  "1.2.840.10045.4.3.2": { hash: "sha256", keyType: "ec" },
  "1.2.840.10045.4.3.3": { hash: "sha384", keyType: "ec" },
  "1.2.840.10045.4.3.4": { hash: "sha512", keyType: "ec" },
  "1.2.840.113549.1.1.11": { hash: "sha256", keyType: "rsa" },
  "1.2.840.113549.1.1.12": { hash: "sha384", keyType: "rsa" },
  "1.2.840.113549.1.1.13": { hash: "sha512", keyType: "rsa" },
};

/** Parses an AlgorithmIdentifier; `undefined` if it is not accepted. */
export function parseSignatureAlgorithm(value: DerValue | undefined): SignatureAlgorithm | undefined {
  const [oid, parameters, ...rest] = readSequence(value, 1);
  const dotted = readOid(oid);
  const algorithm = Object.hasOwn(ALGORITHMS, dotted) ? ALGORITHMS[dotted] : undefined;
  if (algorithm === undefined || rest.length > 0) return undefined;
  // Exactly one form each: NULL for RSA (RFC 4055, section 5), nothing for ECDSA (RFC 5758, section 3.2).
  const isExact =
    algorithm.keyType === "rsa" ? parameters !== undefined && isNull(parameters) : parameters === undefined;
  return isExact ? algorithm : undefined;
}

/** The AlgorithmIdentifier of our own signatures: always SHA-256. */
export function formatSignatureAlgorithm(key: KeyObject): DerValue {
  return key.asymmetricKeyType === "rsa"
    ? formatSequence([formatOid("1.2.840.113549.1.1.11"), formatNull()])
    : formatSequence([formatOid("1.2.840.10045.4.3.2")]);
}
