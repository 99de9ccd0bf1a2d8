import { hash, verify, X509Certificate } from "node:crypto";
import { findIssuerFault } from "../../../mesh/identity/certificate-faults.ts";
import { readKeyUsage } from "../../../mesh/identity/key-usage.ts";
import { splitCertificates } from "../../../mesh/identity/pem-certificates.ts";
import {
  MAX_LISTED_CERTIFICATES,
  type RevocationList,
  readRevocationList,
} from "../../../mesh/identity/revocation-list.ts";
import { readExtensions } from "../../../mesh/identity/x509-extensions.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import { CaError } from "../../ca-error.ts";
import { parseRevocationLists } from "../../x509/pem.ts";
import { formatPublicKey } from "../../x509/public-key.ts";
import { readSubjectName } from "../../x509/subject-name.ts";

/** A list that an authority of the mesh has signed. */
export interface VerifiedList {
  /** The issuer's name and key: a newer list with the same replaces this one. */
  readonly key: string;
  /** SHA-256 of the issuer's name in DER, lower-case hexadecimal. */
  readonly issuer: string;
  readonly thisUpdateMs: number;
  readonly number?: bigint;
  readonly nextUpdateMs?: number;
  readonly serialNumbers: readonly string[];
}

/**
 * Reads the lists of a PEM text and verifies each; throws a CaError `revocation_list` if one of them cannot be verified:
 * the text is used whole or not at all.
 * @param authorities from `findAuthorities`
 */
export function readVerifiedLists(pem: string, authorities: readonly X509Certificate[]): readonly VerifiedList[] {
  const lists = parse(pem).map((der, index) => verifyList(der, authorities, `list ${index + 1}`));
  const count = lists.reduce((sum, { serialNumbers }) => sum + serialNumbers.length, 0);
  if (count > MAX_LISTED_CERTIFICATES) {
    throw listError(
      `the lists name ${count} certificates, the limit is ${MAX_LISTED_CERTIFICATES}: replace the authority instead`,
    );
  }
  return lists;
}

/** The roots, and all certificates of authorities that lead to one. What is unreadable or no authority is left out. */
export function findAuthorities(roots: readonly string[], others: string): readonly X509Certificate[] {
  const found = [...new Map(roots.map((pem) => [pem, new X509Certificate(pem)])).values()];
  let rest = splitCertificates(others).flatMap(parseAuthority);
  for (;;) {
    const issued = rest.filter((certificate) => found.some((issuer) => isIssuedBy(certificate, issuer)));
    if (issued.length === 0) return found;
    rest = rest.filter((certificate) => !issued.includes(certificate));
    found.push(...issued);
  }
}

function parseAuthority(pem: string): readonly X509Certificate[] {
  try {
    const certificate = new X509Certificate(pem);
    return findIssuerFault(certificate) === undefined ? [certificate] : [];
  } catch {
    return [];
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function parse(pem: string): readonly Buffer[] {
  try {
    return parseRevocationLists(pem);
  } catch (caught) {
    throw listError(MeshError.from(caught).message.replace(/^unexpected: /, ""));
  }
}

function verifyList(der: Uint8Array, authorities: readonly X509Certificate[], which: string): VerifiedList {
  const list = read(der, which);
  const named = authorities.filter(({ raw }) => readSubjectName(raw).equals(list.issuer));
  if (named.length === 0) {
    throw listError(
      `${which} is of an issuer that is no authority of the mesh: add its certificate to cert-chain.pem, or remove the list`,
    );
  }
  const signer = named.find((authority) => isSignedBy(list, authority));
  if (signer === undefined) throw listError(`${which} is not signed by the authority that it names as its issuer`);
  if (!maySignLists(signer)) {
    throw listError(
      `${which} is signed by the authority ${signer.serialNumber.slice(0, 40)}, whose key usage does not allow it: issue that ` +
        "certificate again with cRLSign",
    );
  }
  const { thisUpdateMs, number, nextUpdateMs, serialNumbers } = list;
  const stated = { ...(number !== undefined && { number }), ...(nextUpdateMs !== undefined && { nextUpdateMs }) };
  const issuer = hash("sha256", list.issuer);
  const key = `${issuer} ${hash("sha256", formatPublicKey(signer.publicKey))}`;
  return { key, issuer, thisUpdateMs, ...stated, serialNumbers };
}

function read(der: Uint8Array, which: string): RevocationList {
  try {
    return readRevocationList(der);
  } catch (caught) {
    throw listError(`${which} is refused: ${MeshError.from(caught).message}`);
  }
}

function isSignedBy({ algorithm, signedPart, signature }: RevocationList, { publicKey }: X509Certificate): boolean {
  if (publicKey.asymmetricKeyType !== algorithm.keyType) return false;
  try {
    return verify(algorithm.hash, signedPart, publicKey, signature);
  } catch {
    // A signature that is not DER, or a key that OpenSSL cannot use.
    return false;
  }
}

/** RFC 5280, section 6.3.3 (f): only a certificate that states its usages can exclude this one. */
function maySignLists({ raw }: X509Certificate): boolean {
  return readKeyUsage(readExtensions(raw))?.cRLSign !== false;
}

function listError(message: string): CaError {
  return new CaError("revocation_list", message);
}
