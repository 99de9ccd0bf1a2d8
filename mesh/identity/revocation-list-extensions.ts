import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { EXTENSION_OID, type X509Extension } from "./x509-extensions.ts";

/** OIDs of RFC 5280, sections 5.2 and 5.3. */
const OID = {
  issuerAltName: "2.5.29.18",
  listNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  invalidityDate: "2.5.29.24",
  deltaListIndicator: "2.5.29.27",
  issuingDistributionPoint: "2.5.29.28",
  certificateIssuer: "2.5.29.29",
} as const;

/** Lists that are more, or less, than all revoked certificates of their issuer. Marked as critical or not. */
const NOT_SUPPORTED: Readonly<Record<string, string>> = {
  [OID.deltaListIndicator]: "it is a delta list, which has only changes: provide the complete list",
  [OID.issuingDistributionPoint]:
    "it has an issuing distribution point, which may limit what it covers: issue the list without",
};

const LIST_EXTENSIONS: readonly string[] = [EXTENSION_OID.authorityKeyIdentifier, OID.issuerAltName, OID.listNumber];
const ENTRY_EXTENSIONS: readonly string[] = [OID.reasonCode, OID.invalidityDate];
const ENUMERATED = 0x0a;
const REMOVE_FROM_LIST = 8;

/** Content of a list's number: 20 octets (RFC 5280, section 5.2.3). */
const MAX_NUMBER_OCTETS = 20;

/**
 * Refuses a list whose critical extensions are not understood (RFC 5280, section 5.2), and kinds of lists by name. Returns
 * its number if it has one.
 */
export function readListExtensions(extensions: readonly X509Extension[]): bigint | undefined {
  for (const { oid, critical } of extensions) {
    const reason = Object.hasOwn(NOT_SUPPORTED, oid) ? NOT_SUPPORTED[oid] : undefined;
    if (reason !== undefined) throw listError(reason);
    if (critical && !LIST_EXTENSIONS.includes(oid)) throw listError(`it has the unknown critical extension ${oid}`);
  }
  const stated = extensions.find(({ oid }) => oid === OID.listNumber);
  return stated && readNumber(stated.value);
}

function readNumber(value: Uint8Array): bigint {
  const reader = new DerReader(value);
  const content = reader.content(reader.expect(DER_TAG.integer, "the list's number"));
  reader.finish("the list's number");
  const [first, second = 0x80] = content;
  const isMinimal = first !== undefined && first < 0x80 && (first !== 0 || second >= 0x80);
  if (!isMinimal || content.length > MAX_NUMBER_OCTETS) {
    throw listError("its number is negative, not minimal, or longer than 20 octets");
  }
  return BigInt(`0x${Buffer.from(content).toString("hex")}`);
}

/** The same for an entry (RFC 5280, section 5.3): an unknown critical extension may change what it means. */
export function checkEntryExtensions(serialNumber: string, extensions: readonly X509Extension[]): void {
  for (const { oid, critical, value } of extensions) {
    if (oid === OID.certificateIssuer) {
      throw listError("it is an indirect list, with certificates of other issuers: provide a list of each issuer");
    }
    if (oid === OID.reasonCode && readReason(value) === REMOVE_FROM_LIST) {
      throw listError(`it takes the certificate ${serialNumber} back, which only a delta list may`);
    }
    if (critical && !ENTRY_EXTENSIONS.includes(oid)) {
      throw listError(`its entry ${serialNumber} has the unknown critical extension ${oid}`);
    }
  }
}

function readReason(value: Uint8Array): number | undefined {
  const reader = new DerReader(value);
  const content = reader.content(reader.expect(ENUMERATED, "a reason code"));
  reader.finish("a reason code");
  if (content.length !== 1) throw listError("a reason code is not one octet");
  return content[0];
}

function listError(message: string): IdentityError {
  return new IdentityError("revocation_list", message);
}
