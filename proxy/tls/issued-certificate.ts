import { createPublicKey, type KeyObject, type X509Certificate } from "node:crypto";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Svid } from "./secure-context-source.ts";
import { parseCertificates, type TrustAnchors } from "./trust-anchors.ts";
import { WorkloadTlsError } from "./workload-tls-error.ts";

export interface IssuedCertificate {
  /** The certificate authority's response: leaf first, the root last; each entry one or more PEM certificates. */
  readonly chain: readonly string[];
  readonly privateKey: KeyObject;
  /** The requested identity. */
  readonly identity: SpiffeId;
  readonly trust: TrustAnchors;
  readonly nowMs: number;
}

/** The whole bundle of roots is in the response too; of what is sent in handshakes, `verifyPeer` accepts a few alone. */
const MAX_ENTRIES = 256;

/**
 * Validates the certificate authority's response and makes the own certificate of it, or throws. It must contain our
 * key and our identity, chain to a trusted root, and be valid by our own clock: exactly what our peers check, so that a
 * bad response fails here and not in every connection.
 */
export function svidFromIssued({ chain, privateKey, identity, trust, nowMs }: IssuedCertificate): Svid {
  if (chain.length > MAX_ENTRIES) {
    throw refused(`the issued chain has ${chain.length} entries; at most ${MAX_ENTRIES} are accepted`);
  }
  const certificates = chain.flatMap((pem, index) => parseCertificates(pem, `entry ${index + 1} of the issued chain`));
  const [leaf] = certificates;
  if (leaf === undefined) throw refused("the certificate authority responded without a certificate");
  if (!leaf.publicKey.equals(createPublicKey(privateKey))) {
    throw refused("the issued certificate is for another key than the one in the request");
  }
  const sent = certificates.filter((certificate) => !isSelfSigned(certificate));
  const evidence = { certificates: sent, sessionReused: false, ...trust, nowMs };
  // The same certificate is shown to servers and to clients.
  const asClient = verifyPeer(evidence);
  const verdict = asClient.kind === "refused" ? asClient : verifyPeer({ ...evidence, expected: [identity] });
  if (verdict.kind === "refused") throw refused(`the issued certificate cannot be used: ${verdict.message}`);
  const privateKeyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { identity, certificates: sent, privateKeyPem, notAfterMs: verdict.notAfterMs };
}

/**
 * A root; peers trust only their own. Names do not show it: a new root that the old one has certified, for peers that know
 * only the old one, often has the same name as its issuer.
 */
function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.ca && certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function refused(message: string): WorkloadTlsError {
  return new WorkloadTlsError("issued_certificate", message);
}
