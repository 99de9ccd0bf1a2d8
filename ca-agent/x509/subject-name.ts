import { formatDer, parseDer, readSequence } from "./der-values.ts";

/** The subject of a certificate in DER, used as the issuer of others. */
export function readSubjectName(certificateDer: Uint8Array): Buffer {
  const [signed] = readSequence(parseDer(certificateDer), 3);
  const fields = readSequence(signed, 6);
  // A version 3 certificate starts with its version, and only those can be CA certificates.
  const subject = fields[5];
  if (subject === undefined) throw new Error("the certificate has no subject");
  return formatDer(subject);
}
