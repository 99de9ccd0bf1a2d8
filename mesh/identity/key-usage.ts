import { DER_TAG, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";
import { EXTENSION_OID, type X509Extension } from "./x509-extensions.ts";

/** What a certificate's key may be used for (RFC 5280, section 4.2.1.3), of the usages that are judged. */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly cRLSign: boolean;
}

/** In the first octet of the bits. */
const BIT = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;
const MAX_UNUSED_BITS = 7;

/** `undefined`: the certificate does not say. Throws an IdentityError if it is not a BIT STRING of one or two octets. */
export function readKeyUsage(extensions: readonly X509Extension[]): KeyUsage | undefined {
  const extension = extensions.find(({ oid }) => oid === EXTENSION_OID.keyUsage);
  if (extension === undefined) return undefined;
  const reader = new DerReader(extension.value);
  const content = reader.content(reader.expect(DER_TAG.bitString, "the key usage"));
  reader.finish("the key usage");
  const [unused = MAX_UNUSED_BITS + 1, bits = 0] = content;
  if (content.length < 2 || content.length > 3 || unused > MAX_UNUSED_BITS) {
    throw new IdentityError("certificate_der", "the key usage is not a BIT STRING of one or two octets");
  }
  return {
    digitalSignature: (bits & BIT.digitalSignature) !== 0,
    keyCertSign: (bits & BIT.keyCertSign) !== 0,
    cRLSign: (bits & BIT.cRLSign) !== 0,
  };
}
