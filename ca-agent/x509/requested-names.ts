import { DER_TAG, DerReader } from "../../mesh/identity/der-reader.ts";
import { EXTENSION_OID, readExtensionList, readOid } from "../../mesh/identity/x509-extensions.ts";
import { parseSubjectAltNames, type SubjectAltNames } from "../../mesh/identity/x509-san.ts";
import { CaError } from "../ca-error.ts";
import { ATTRIBUTES_TAG, MAX_CSR_BYTES } from "./certificate-request.ts";
import { parsePem, REQUEST_LABELS } from "./pem.ts";

/** PKCS#9 `extensionRequest` (RFC 2985, section 5.4.2). */
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const SET_TAG = 0x31;
const NO_NAMES: SubjectAltNames = { uris: [], dnsNames: [], emails: [], others: 0 };

/**
 * The subject alternative names that a PKCS#10 request asks for. They never reach a certificate; they show what the
 * caller expects. Throws a CaError if the request cannot be read.
 */
export function readRequestedNames(pem: string): SubjectAltNames {
  if (pem.length > MAX_CSR_BYTES) {
    throw new CaError("csr_malformed", `the request has ${pem.length} bytes, the limit is ${MAX_CSR_BYTES}`);
  }
  try {
    return readNames(new DerReader(parsePem(pem, REQUEST_LABELS)));
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new CaError("csr_malformed", `the names of the signing request cannot be read: ${reason}`, { cause: caught });
  }
}

function readNames(outer: DerReader): SubjectAltNames {
  const request = outer.inside(outer.expect(DER_TAG.sequence, "the request"));
  const info = request.inside(request.expect(DER_TAG.sequence, "the signed part"));
  info.expect(DER_TAG.integer, "the version");
  info.expect(DER_TAG.sequence, "the subject");
  info.expect(DER_TAG.sequence, "the public key");
  const attributes = info.optional(ATTRIBUTES_TAG, "the attributes");
  if (attributes === undefined) return NO_NAMES;
  const requested = readExtensionRequests(info.inside(attributes));
  if (requested.length > 1) throw new Error("it has more than one extension request");
  const san = requested.flat().find(({ oid }) => oid === EXTENSION_OID.subjectAltName);
  return san === undefined ? NO_NAMES : parseSubjectAltNames(san.value);
}

function readExtensionRequests(attributes: DerReader): ReturnType<typeof readExtensionList>[] {
  const found: ReturnType<typeof readExtensionList>[] = [];
  while (!attributes.atEnd) {
    const attribute = attributes.inside(attributes.expect(DER_TAG.sequence, "an attribute"));
    const oid = readOid(attribute.content(attribute.expect(DER_TAG.objectIdentifier, "an attribute's type")));
    const values = attribute.inside(attribute.expect(SET_TAG, "an attribute's values"));
    if (oid !== EXTENSION_REQUEST) continue;
    found.push(readExtensionList(values.inside(values.expect(DER_TAG.sequence, "the requested extensions"))));
    values.finish("the requested extensions");
  }
  return found;
}
