import { DER_TAG, type DerElement, DerReader } from "./der-reader.ts";
import { DER_TIME_TAGS, readDerTime } from "./der-time.ts";
import { IdentityError } from "./identity-error.ts";
import { checkEntryExtensions, readListExtensions } from "./revocation-list-extensions.ts";
import { findSignatureAlgorithm, type SignatureAlgorithm } from "./signature-algorithms.ts";
import { readExtensionList, readOid } from "./x509-extensions.ts";

/** A certificate revocation list (RFC 5280, section 5) whose signature has not been verified. */
export interface RevocationList {
  /** The issuer's name, in DER. */
  readonly issuer: Uint8Array;
  /** What is signed, in DER. */
  readonly signedPart: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** Epoch milliseconds. */
  readonly thisUpdateMs: number;
  /** When the next list is due; absent: not stated. */
  readonly nextUpdateMs?: number;
  /** Grows with each list of the issuer (RFC 5280, section 5.2.3); absent: not stated. */
  readonly number?: bigint;
  /** Hexadecimal, upper case, without leading zeros; each once. */
  readonly serialNumbers: readonly string[];
}

/** As many as the mesh distributes. */
export const MAX_LISTED_CERTIFICATES = 10_000;
/** A Secret may contain 1 MiB. */
const MAX_LIST_BYTES = 1024 * 1024;
const EXTENSIONS_TAG = 0xa0;
/** The INTEGER of version 2; version 1 is stated by absence (RFC 5280, section 5.1.2.1). */
const VERSION_2 = 1;
/** Content of an INTEGER: 20 octets, and a zero before a high bit (RFC 5280, section 4.1.2.2). */
const MAX_SERIAL_OCTETS = 21;

/**
 * Parses a list strictly: what could be read in two ways, or limits what the list covers, is an IdentityError. Nothing is
 * skipped, because a skipped entry is a certificate that stays accepted.
 */
export function readRevocationList(der: Uint8Array): RevocationList {
  if (der.length > MAX_LIST_BYTES) throw listError(`it is larger than ${MAX_LIST_BYTES} bytes`);
  const whole = new DerReader(der);
  const list = whole.inside(whole.expect(DER_TAG.sequence, "the revocation list"));
  whole.finish("the revocation list");
  const signed = list.expect(DER_TAG.sequence, "the signed part");
  const outerAlgorithm = list.whole(list.expect(DER_TAG.sequence, "the signature algorithm"));
  const bits = list.content(list.expect(DER_TAG.bitString, "the signature"));
  list.finish("the signature");
  if (bits.length < 2 || bits[0] !== 0) throw listError("its signature has unused bits, or none at all");
  const { algorithm, ...content } = readSignedPart(list.inside(signed));
  if (!Buffer.from(outerAlgorithm).equals(algorithm)) throw listError("it names two signature algorithms");
  return {
    ...content,
    algorithm: readAlgorithm(algorithm),
    signedPart: list.whole(signed),
    signature: bits.subarray(1),
  };
}

type SignedPart = Omit<RevocationList, "algorithm" | "signedPart" | "signature"> & { readonly algorithm: Uint8Array };

function readSignedPart(signed: DerReader): SignedPart {
  const isVersion2 = readVersion(signed);
  const algorithm = signed.whole(signed.expect(DER_TAG.sequence, "the algorithm"));
  const issuer = signed.expect(DER_TAG.sequence, "the issuer");
  if (issuer.start === issuer.end) throw listError("it has no issuer");
  const thisUpdateMs = readDerTime(signed, signed.next("thisUpdate"), "thisUpdate");
  const next = DER_TIME_TAGS.map((tag) => signed.optional(tag, "nextUpdate")).find((element) => element !== undefined);
  const entries = signed.optional(DER_TAG.sequence, "the revoked certificates");
  const serialNumbers = entries === undefined ? [] : readEntries(signed.inside(entries), isVersion2);
  const tagged = signed.optional(EXTENSIONS_TAG, "the extensions");
  signed.finish("the signed part");
  const number = tagged && readExtensions(signed, tagged, isVersion2);
  return {
    algorithm,
    issuer: signed.whole(issuer),
    thisUpdateMs,
    ...(number !== undefined && { number }),
    ...(next !== undefined && { nextUpdateMs: readDerTime(signed, next, "nextUpdate") }),
    serialNumbers,
  };
}

function readVersion(signed: DerReader): boolean {
  const element = signed.optional(DER_TAG.integer, "the version");
  if (element === undefined) return false;
  const content = signed.content(element);
  if (content.length !== 1 || content[0] !== VERSION_2) throw listError("its version is neither 1 nor 2");
  return true;
}

function readEntries(list: DerReader, isVersion2: boolean): readonly string[] {
  const serialNumbers = new Set<string>();
  while (!list.atEnd) {
    const serialNumber = readEntry(list.inside(list.expect(DER_TAG.sequence, "an entry")), isVersion2);
    if (serialNumbers.has(serialNumber)) throw listError(`it names the certificate ${serialNumber} twice`);
    serialNumbers.add(serialNumber);
    if (serialNumbers.size > MAX_LISTED_CERTIFICATES) {
      throw listError(`it names more than ${MAX_LISTED_CERTIFICATES} certificates: replace the authority instead`);
    }
  }
  return [...serialNumbers];
}

function readEntry(entry: DerReader, isVersion2: boolean): string {
  const serialNumber = readSerialNumber(entry.content(entry.expect(DER_TAG.integer, "an entry's serial number")));
  readDerTime(entry, entry.next("an entry's time"), "an entry's time");
  const extensions = entry.optional(DER_TAG.sequence, "an entry's extensions");
  entry.finish("an entry");
  if (extensions === undefined) return serialNumber;
  if (!isVersion2) throw listError("it has extensions, which its version 1 does not allow");
  checkEntryExtensions(serialNumber, readExtensionList(entry.inside(extensions)));
  return serialNumber;
}

/** A minimal INTEGER that is not negative (X.690, section 8.3.2). */
function readSerialNumber(content: Uint8Array): string {
  const [first, second] = content;
  if (first === undefined || content.length > MAX_SERIAL_OCTETS || first >= 0x80) {
    throw listError("a serial number is empty, negative or longer than 20 octets");
  }
  if (first === 0 && second !== undefined && second < 0x80) throw listError("a serial number is not minimal");
  const digits = Buffer.from(content).toString("hex").toUpperCase().replace(/^0+/, "");
  return digits === "" ? "0" : digits;
}

function readExtensions(signed: DerReader, tagged: DerElement, isVersion2: boolean): bigint | undefined {
  if (!isVersion2) throw listError("it has extensions, which its version 1 does not allow");
  const outer = signed.inside(tagged);
  const list = outer.inside(outer.expect(DER_TAG.sequence, "the list of extensions"));
  outer.finish("the list of extensions");
  return readListExtensions(readExtensionList(list));
}

/** Exactly one form each: NULL for RSA (RFC 4055, section 5), nothing for ECDSA (RFC 5758, section 3.2). */
function readAlgorithm(identifier: Uint8Array): SignatureAlgorithm {
  const outer = new DerReader(identifier);
  const fields = outer.inside(outer.expect(DER_TAG.sequence, "the signature algorithm"));
  const oid = readOid(fields.content(fields.expect(DER_TAG.objectIdentifier, "the signature algorithm")));
  const algorithm = findSignatureAlgorithm(oid);
  if (algorithm === undefined) {
    throw listError(`it is signed with the algorithm ${oid}, which is not accepted: use ECDSA or RSA with SHA-256`);
  }
  if (algorithm.keyType === "rsa") {
    fields.inside(fields.expect(DER_TAG.null, "the parameters of RSA")).finish("the null");
  }
  fields.finish("the signature algorithm");
  return algorithm;
}

function listError(message: string): IdentityError {
  return new IdentityError("revocation_list", message);
}
