import type { X509Certificate } from "node:crypto";
import { formatCount } from "../../format-count.ts";
import { type CertificateFault, findExtensionFault, findKeyFault } from "../../identity/certificate-faults.ts";
import { IdentityError } from "../../identity/identity-error.ts";
import { type KeyUsage, readKeyUsage } from "../../identity/key-usage.ts";
import { parseSpiffeId, type SpiffeId, spiffeIdParts, type TrustDomain } from "../../identity/spiffe-id.ts";
import type { ChainFault } from "../../identity/verify-chain.ts";
import { readExtensions } from "../../identity/x509-extensions.ts";
import { readSubjectAltNames } from "../../identity/x509-san.ts";
import { DomainChains } from "./domain-chains.ts";
import type { PeerTrust } from "./peer-trust.ts";
import { describeRevoked } from "./revocations.ts";

/** The peer's part of a handshake, and whom the verifier trusts. */
export interface PeerEvidence extends PeerTrust {
  /** As the peer sent them, leaf first. Empty: it sent none. */
  readonly certificates: readonly X509Certificate[];
  /** The TLS session was resumed: this handshake verified nothing. */
  readonly sessionReused: boolean;
  readonly nowMs: number;
  /** Client side (secure naming): the identities the server may have; `[]` accepts none. Absent on the server side. */
  readonly expected?: readonly SpiffeId[];
}

/** Why a peer is not trusted. Stable: it is a metric label. */
export type PeerRefusal =
  | ChainFault
  | "session_reused"
  | "no_certificate"
  | "san_count"
  | "san_malformed"
  | "not_a_workload"
  | "wrong_usage"
  | "revoked"
  | "foreign_trust_domain"
  | "wrong_authority"
  | "unexpected_identity";

export type PeerVerdict =
  | {
      readonly kind: "trusted";
      readonly identity: SpiffeId;
      /** Leaf first, root last. */
      readonly path: readonly X509Certificate[];
      /** The earliest expiry of the chain's certificates, in epoch milliseconds. */
      readonly notAfterMs: number;
    }
  | { readonly kind: "refused"; readonly reason: PeerRefusal; readonly message: string };

/** OIDs of extended key usage (RFC 5280, section 4.2.1.12). */
const USAGE = { any: "2.5.29.37.0", server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
/** Identities or trust domains in one message. */
const SHOWN_NAMES = 4;

/**
 * Decides whether the peer of a TLS connection is trusted and expected. A resumed session is always refused: Node
 * reports it as `authorized` without checking any certificate (compare CVE-2022-21654). The authorities of the identity's
 * own trust domain must accept the chain, even if those of another domain do. So they are asked first, by a name that is not
 * proved yet: no message contains it before a trusted authority has signed it.
 */
export function verifyPeer(evidence: PeerEvidence): PeerVerdict {
  if (evidence.sessionReused) {
    return refused(
      "session_reused",
      "the TLS session was resumed, so no certificate was verified; resumption is not allowed",
    );
  }
  const [leaf, ...intermediates] = evidence.certificates;
  if (leaf === undefined) return refused("no_certificate", "the peer showed no certificate");
  const chains = new DomainChains({ leaf, intermediates, nowMs: evidence.nowMs }, evidence);
  const read = readIdentity(leaf);
  const found = chains.find(read.kind === "refused" ? undefined : spiffeIdParts(read.identity).trustDomain);
  if (found.kind === "broken") return refused(found.reason, found.message);
  const fault = findLeafFault(leaf, evidence.expected !== undefined);
  if (fault !== undefined) return refused(fault.reason, fault.message);
  return read.kind === "refused"
    ? read
    : verifyIdentity(read.identity, evidence, { chains, issuers: found.trustDomains });
}

interface VerifiedChains {
  readonly chains: DomainChains;
  /** The trust domains whose authority has signed the certificate. */
  readonly issuers: readonly TrustDomain[];
}

function verifyIdentity(identity: SpiffeId, evidence: PeerEvidence, verified: VerifiedChains): PeerVerdict {
  const { trustDomain } = spiffeIdParts(identity);
  const chain = verified.chains.of(trustDomain);
  if (chain === undefined) {
    const federated = (evidence.federated ?? []).map((domain) => domain.trustDomain);
    const trusted = describeSome([...evidence.trustDomains, ...federated], ", ");
    return refused("foreign_trust_domain", `${identity} has an untrusted trust domain (trusted: ${trusted})`);
  }
  if (chain.kind === "broken") {
    const issuers = describeSome(verified.issuers, " and ");
    const message = `${identity} is signed by an authority of ${issuers}, which is not trusted for ${trustDomain}`;
    return refused("wrong_authority", message);
  }
  const { path, notAfterMs } = chain;
  const revoked = evidence.revocations?.find(path, identity);
  if (revoked !== undefined) return refused("revoked", describeRevoked(revoked));
  if (evidence.expected !== undefined && !evidence.expected.includes(identity)) {
    return refused("unexpected_identity", `the server is ${identity}, expected ${describeExpected(evidence.expected)}`);
  }
  return { kind: "trusted", identity, path, notAfterMs };
}

type ReadIdentity =
  | { readonly kind: "identity"; readonly identity: SpiffeId }
  | Extract<PeerVerdict, { kind: "refused" }>;

function readIdentity(leaf: X509Certificate): ReadIdentity {
  try {
    const { uris } = readSubjectAltNames(leaf.raw);
    const [uri] = uris;
    if (uri === undefined || uris.length !== 1) {
      return refused(
        "san_count",
        `the certificate has ${uris.length} URI names; exactly one is allowed (X.509-SVID, section 2)`,
      );
    }
    return { kind: "identity", identity: parseSpiffeId(uri) };
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return refused(caught.code === "certificate_der" ? "malformed_certificate" : "san_malformed", caught.message);
  }
}

interface LeafFault {
  readonly reason: CertificateFault["reason"] | "not_a_workload" | "wrong_usage";
  readonly message: string;
}

function findLeafFault(leaf: X509Certificate, isServer: boolean): LeafFault | undefined {
  if (leaf.ca) {
    return { reason: "not_a_workload", message: "the peer uses a CA certificate as its own" };
  }
  const usages: readonly string[] | undefined = leaf.keyUsage;
  const wanted = isServer ? USAGE.server : USAGE.client;
  if (usages !== undefined && !usages.includes(wanted) && !usages.includes(USAGE.any)) {
    const message = `the certificate's extended key usage does not allow ${isServer ? "a server" : "a client"}`;
    return { reason: "wrong_usage", message };
  }
  try {
    const extensions = readExtensions(leaf.raw);
    return findKeyFault(leaf) ?? findExtensionFault(leaf, extensions) ?? findKeyUsageFault(readKeyUsage(extensions));
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return { reason: "malformed_certificate", message: caught.message };
  }
}

/** X509-SVID, section 4.3: a workload signs with its key, but neither certificates nor lists. */
function findKeyUsageFault(usage: KeyUsage | undefined): LeafFault | undefined {
  if (usage === undefined) return undefined;
  const reason = "wrong_usage";
  if (!usage.digitalSignature) return { reason, message: "the certificate's key usage does not allow signatures" };
  if (!usage.keyCertSign && !usage.cRLSign) return undefined;
  return { reason, message: "the peer uses a key that may sign certificates or revocation lists as its own" };
}

function describeExpected(expected: readonly SpiffeId[]): string {
  if (expected.length === 0) return "none: the destination has no known service account";
  return describeSome(expected, " or ");
}

function describeSome(names: readonly string[], separator: string): string {
  const shown = names.slice(0, SHOWN_NAMES).join(separator);
  const rest = names.length - SHOWN_NAMES;
  return rest > 0 ? `${shown}${separator}${formatCount(rest, "other")}` : shown;
}

function refused(reason: PeerRefusal, message: string): Extract<PeerVerdict, { kind: "refused" }> {
  return { kind: "refused", reason, message };
}
