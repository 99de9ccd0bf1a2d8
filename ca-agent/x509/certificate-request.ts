import { type KeyObject, verify } from "node:crypto";
import { DER_TAG, DerReader } from "../../mesh/identity/der-reader.ts";
import type { SignatureAlgorithm } from "../../mesh/identity/signature-algorithms.ts";
import { CaError } from "../ca-error.ts";
import { parseDer } from "./der-values.ts";
import { parsePem, REQUEST_LABELS } from "./pem.ts";
import { parsePublicKey } from "./public-key.ts";
import { parseSignatureAlgorithm } from "./signature-algorithm.ts";

/** `[0] IMPLICIT`, of the attributes. */
export const ATTRIBUTES_TAG = 0xa0;
/** RSA with 8192 bits and some names needs 3 KB. */
export const MAX_CSR_BYTES = 16 * 1024;

/**
 * Parses the public key of a PKCS#10 request (RFC 2986) and checks that the caller has the private key. All names and
 * attributes in it are ignored: a certificate contains the authenticated caller's identity, never what the request
 * contains (compare CVE-2022-40716). Throws a CaError for anything else.
 * @returns SubjectPublicKeyInfo, in DER
 */
export function parseCertificateRequest(pem: string): Uint8Array {
  if (pem.length > MAX_CSR_BYTES) {
    throw new CaError("csr_malformed", `the request has ${pem.length} bytes, the limit is ${MAX_CSR_BYTES}`);
  }
  const request = readRequest(pem);
  const publicKey = parsePublicKey(request.publicKeyInfo);
  const { algorithm } = request;
  if (algorithm === undefined || algorithm.keyType !== publicKey.asymmetricKeyType) {
    throw new CaError("csr_signature", "the request's signature algorithm is not accepted: use SHA-256");
  }
  if (!isSignedBy(publicKey, { ...request, algorithm })) {
    throw new CaError("csr_signature", "the request is not signed by the key that it contains");
  }
  return request.publicKeyInfo;
}

interface CertificateRequest {
  /** The signed part, as it was sent. */
  readonly info: Uint8Array;
  readonly publicKeyInfo: Uint8Array;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
}

/** Parses only the public key and the signature; names and attributes are skipped, however many there are. */
function readRequest(pem: string): CertificateRequest {
  try {
    const outer = new DerReader(parsePem(pem, REQUEST_LABELS));
    const request = outer.inside(outer.expect(DER_TAG.sequence, "the request"));
    outer.finish("the request");
    const info = request.expect(DER_TAG.sequence, "the signed part");
    const algorithm = request.whole(request.expect(DER_TAG.sequence, "the signature algorithm"));
    const signature = request.content(request.expect(DER_TAG.bitString, "the signature"));
    request.finish("the signature");
    if (signature[0] !== 0) throw new Error("the signature does not end with an octet");
    return {
      info: request.whole(info),
      publicKeyInfo: readPublicKeyInfo(request.inside(info)),
      algorithm: parseSignatureAlgorithm(parseDer(algorithm)),
      signature: signature.subarray(1),
    };
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new CaError("csr_malformed", `this is not a PEM certificate signing request: ${reason}`, { cause: caught });
  }
}

function readPublicKeyInfo(info: DerReader): Uint8Array {
  const version = info.content(info.expect(DER_TAG.integer, "the version"));
  if (version.length !== 1 || version[0] !== 0) throw new Error("the version is not 0, the only one of PKCS#10");
  info.expect(DER_TAG.sequence, "the subject");
  const publicKey = info.whole(info.expect(DER_TAG.sequence, "the public key"));
  info.optional(ATTRIBUTES_TAG, "the attributes");
  info.finish("the attributes");
  return publicKey;
}

function isSignedBy(key: KeyObject, request: CertificateRequest & { readonly algorithm: SignatureAlgorithm }): boolean {
  try {
    return verify(request.algorithm.hash, request.info, key, request.signature);
  } catch {
    // OpenSSL throws for signatures that are malformed.
    return false;
  }
}
