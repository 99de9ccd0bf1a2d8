/** A signature's algorithm: the hash and the type of the signer's key. */
export interface SignatureAlgorithm {
  readonly hash: "sha256" | "sha384" | "sha512";
  readonly keyType: "ec" | "rsa";
}

/** SHA-1 and older are not listed, nor is RSA-PSS: no mesh agent signs with them. */
const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ["1.2.840.10045.4.3.2", { hash: "sha256", keyType: "ec" }],
  ["1.2.840.10045.4.3.3", { hash: "sha384", keyType: "ec" }],
  ["1.2.840.10045.4.3.4", { hash: "sha512", keyType: "ec" }],
  ["1.2.840.113549.1.1.11", { hash: "sha256", keyType: "rsa" }],
  ["1.2.840.113549.1.1.12", { hash: "sha384", keyType: "rsa" }],
  ["1.2.840.113549.1.1.13", { hash: "sha512", keyType: "rsa" }],
]);

/**
 * The accepted algorithm with this OID, of certificates, requests and revocation lists alike: ECDSA and RSA (PKCS #1 v1.5)
 * with SHA-256, SHA-384 or SHA-512 (RFC 5758, RFC 4055). `undefined`: it is not accepted.
 */
export function findSignatureAlgorithm(oid: string): SignatureAlgorithm | undefined {
  return ALGORITHMS.get(oid);
}
