import { type KeyObject, verify } from "node:crypto";
import { CaError } from "../ca-error.ts";
import { formatDer, parseDer, readBitString, readSequence } from "./der-values.ts";
import { parsePem } from "./pem.ts";
import { parsePublicKey } from "./public-key.ts";
import { parseSignatureAlgorithm, type SignatureAlgorithm } from "./signature-algorithm.ts";

/** RSA with 8192 bits and some names needs 3 KB. */
export const MAX_CSR_BYTES = 16 * 1024;

const LABELS = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/**
 * Reads the public key of a PKCS#10 request (RFC 2986) and checks that the caller holds its private half. All names and
 * attributes in it are passed over: what a certificate says is the authenticated caller, never what the request asks
 * (compare CVE-2022-40716).
 */
export function parseCertificateRequest(pem: string): KeyObject {
  if (pem.length > MAX_CSR_BYTES) {
    throw new CaError("csr_malformed", `the request has ${pem.length} bytes, at most ${MAX_CSR_BYTES} are read`);
  }
  const request = readRequest(pem);
  const publicKey = parsePublicKey(request.publicKeyDer);
  const { algorithm } = request;
  if (algorithm === undefined || algorithm.keyType !== publicKey.asymmetricKeyType) {
    throw new CaError("csr_signature", "the request is signed in a way that is not accepted: use SHA-256");
  }
  if (!isSignedBy(publicKey, { ...request, algorithm })) {
    throw new CaError("csr_signature", "the request is not signed by the key that it holds");
  }
  return publicKey;
}

interface CertificateRequest {
  /** The part that is signed, as it was sent. */
  readonly info: Buffer;
  readonly publicKeyDer: Buffer;
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly signature: Buffer;
}

function readRequest(pem: string): CertificateRequest {
  try {
    const [info, algorithm, signature] = readSequence(parseDer(parsePem(pem, LABELS)), 3);
    const [, , publicKey] = readSequence(info, 3);
    if (info === undefined || publicKey === undefined) throw new Error("it has no public key");
    return {
      info: formatDer(info),
      publicKeyDer: formatDer(publicKey),
      algorithm: parseSignatureAlgorithm(algorithm),
      signature: readBitString(signature),
    };
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new CaError("csr_malformed", `this is no PEM certificate signing request: ${reason}`, { cause: caught });
  }
}

function isSignedBy(key: KeyObject, request: CertificateRequest & { readonly algorithm: SignatureAlgorithm }): boolean {
  try {
    return verify(request.algorithm.hash, request.info, key, request.signature);
  } catch {
    // OpenSSL throws for signatures that are not even shaped like one.
    return false;
  }
}
