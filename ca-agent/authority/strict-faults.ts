import type { X509Certificate } from "node:crypto";
import { EXTENSION_OID, readExtensions } from "../../mesh/identity/x509-extensions.ts";
import type { Logger } from "../../mesh/runtime.ts";
import type { SigningMaterial } from "./signing-material.ts";

/**
 * What strict verifiers, such as `openssl verify -x509_strict`, refuse in an authority that proxies accept: what RFC 5280
 * demands of each CA certificate (sections 4.1.2.6, 4.2.1.1 and 4.2.1.2). One sentence each, with the fix.
 * @param path from the certificate that signs to its root
 */
export function findStrictFaults(path: readonly X509Certificate[]): readonly string[] {
  return path.flatMap((certificate) => {
    const faults = faultsOf(certificate);
    if (faults.length === 0) return [];
    return [
      `the authority's certificate ${certificate.serialNumber} has no ${faults.join(" and no ")}: proxies accept what it signs, ` +
        "strict verifiers outside the mesh (openssl verify -x509_strict) do not. Issue it again with a subject, and with " +
        "subjectKeyIdentifier=hash and authorityKeyIdentifier=keyid",
    ];
  });
}

/** Logs them: at the start, and when the authority has changed. */
export function warnOfStrictFaults({ path }: Pick<SigningMaterial, "path">, from: string, log: Logger): void {
  for (const fault of findStrictFaults(path))
    log.warn({ component: "ca-agent", code: "authority_not_strict", from }, fault);
}

function faultsOf(certificate: X509Certificate): readonly string[] {
  const isSelfIssued = certificate.subject === certificate.issuer;
  const extensions = new Set(readExtensions(certificate.raw).map(({ oid }) => oid));
  return [
    ...(certificate.subject ? [] : ["subject"]),
    ...(extensions.has(EXTENSION_OID.subjectKeyIdentifier) ? [] : ["subject key identifier"]),
    ...(isSelfIssued || extensions.has(EXTENSION_OID.authorityKeyIdentifier) ? [] : ["authority key identifier"]),
  ];
}
