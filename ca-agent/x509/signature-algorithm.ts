import type { KeyObject } from "node:crypto";
import { findSignatureAlgorithm, type SignatureAlgorithm } from "../../mesh/identity/signature-algorithms.ts";
import { type DerValue, formatNull, formatOid, formatSequence, isNull, readOid, readSequence } from "./der-values.ts";

/** Parses an AlgorithmIdentifier; `undefined` if it is not accepted. */
export function parseSignatureAlgorithm(value: DerValue | undefined): SignatureAlgorithm | undefined {
  const [oid, parameters, ...rest] = readSequence(value, 1);
  const algorithm = findSignatureAlgorithm(readOid(oid));
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
