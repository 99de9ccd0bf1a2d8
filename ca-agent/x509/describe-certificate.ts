import { DER_TAG, DerReader } from "../../mesh/identity/der-reader.ts";
import { parsePem } from "./pem.ts";

/** What an audit line says of a certificate. */
interface CertificateDescription {
  /** Hexadecimal, as openssl shows it. */
  readonly serialNumber: string;
  /** RFC 5280's time as ISO 8601. */
  readonly notAfter: string;
}

const UTC_TIME = 0x17;
const VERSION_TAG = 0xa0;

/** Reads what was really signed from one of our own certificates; without OpenSSL, which would take fifty times as long. */
export function describeCertificate(pem: string): CertificateDescription {
  const whole = new DerReader(parsePem(pem, ["CERTIFICATE"]));
  const certificate = whole.inside(whole.expect(DER_TAG.sequence, "the certificate"));
  const signed = certificate.inside(certificate.expect(DER_TAG.sequence, "the signed part"));
  signed.optional(VERSION_TAG, "the version");
  const serialNumber = signed.content(signed.expect(DER_TAG.integer, "the serial number"));
  signed.expect(DER_TAG.sequence, "the algorithm");
  signed.expect(DER_TAG.sequence, "the issuer");
  const validity = signed.inside(signed.expect(DER_TAG.sequence, "the validity"));
  validity.next("notBefore");
  const notAfter = validity.next("notAfter");
  return {
    serialNumber: Buffer.from(serialNumber).toString("hex").toUpperCase(),
    notAfter: formatIso(notAfter.tag, Buffer.from(validity.content(notAfter)).toString("latin1")),
  };
}

/** `YYMMDDHHMMSSZ` is of this century: our certificates are not older. */
function formatIso(tag: number, digits: string): string {
  const [year, month, day, hour, minute, second] =
    (tag === UTC_TIME ? `20${digits}` : digits).match(/^\d{4}|\d\d/g) ?? [];
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
