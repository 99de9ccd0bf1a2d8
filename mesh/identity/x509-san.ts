import { DER_TAG, type DerElement, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { EXTENSION_OID, readExtensions } from "./x509-extensions.ts";

/** The subject alternative names of a certificate, by kind. */
export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  /** How many names of other kinds there are (addresses, directory names, registered ids, other names). */
  readonly others: number;
}

/** Context tags of GeneralName (RFC 5280, section 4.2.1.6); constructed and primitive forms are not interchangeable. */
const NAME_TAG = { email: 0x81, dns: 0x82, uri: 0x86 } as const;
const OTHER_NAME_TAGS: readonly number[] = [0xa0, 0xa3, 0xa4, 0xa5, 0x87, 0x88];

/** All URI names of a certificate; see `readSubjectAltNames`. */
export function readUriSans(certificateDer: Uint8Array): readonly string[] {
  return readSubjectAltNames(certificateDer).uris;
}

/**
 * Parses the names from the certificate's DER. Node's `subjectaltname` string is not used: names with commas and quotes
 * could forge entries in it (CVE-2021-44531, CVE-2021-44532), and a NUL ended a name early in other software
 * (CVE-2025-66220). Text must be printable ASCII without spaces; any other content throws an IdentityError.
 */
export function readSubjectAltNames(certificateDer: Uint8Array): SubjectAltNames {
  const extension = readExtensions(certificateDer).find((candidate) => candidate.oid === EXTENSION_OID.subjectAltName);
  if (extension === undefined) return { uris: [], dnsNames: [], emails: [], others: 0 };
  return parseSubjectAltNames(extension.value);
}

/** Parses the value of a subject alternative name extension, of a certificate or a signing request. */
export function parseSubjectAltNames(value: Uint8Array): SubjectAltNames {
  const outer = new DerReader(value);
  const names = outer.inside(outer.expect(DER_TAG.sequence, "the subject alternative names"));
  outer.finish("the subject alternative names");
  if (names.atEnd) throw new IdentityError("certificate_san", "the list of subject alternative names is empty");
  return readNames(names);
}

function readNames(names: DerReader): SubjectAltNames {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const emails: string[] = [];
  let others = 0;
  while (!names.atEnd) {
    const name = names.next("a subject alternative name");
    if (name.tag === NAME_TAG.uri) uris.push(readText(names, name));
    else if (name.tag === NAME_TAG.dns) dnsNames.push(readText(names, name));
    else if (name.tag === NAME_TAG.email) emails.push(readText(names, name));
    else if (OTHER_NAME_TAGS.includes(name.tag)) others += 1;
    else throw new IdentityError("certificate_san", `a subject alternative name has the unknown tag ${name.tag}`);
  }
  return { uris, dnsNames, emails, others };
}

function readText(reader: DerReader, name: DerElement): string {
  const content = reader.content(name);
  if (content.length === 0) throw new IdentityError("certificate_san", "a subject alternative name is empty");
  const invalidByte = content.find((octet) => octet < 0x21 || octet > 0x7e);
  if (invalidByte !== undefined) {
    throw new IdentityError(
      "certificate_san",
      `a subject alternative name contains the byte 0x${invalidByte.toString(16).padStart(2, "0")}: printable ASCII only`,
    );
  }
  return Buffer.from(content).toString("latin1");
}
