import { X509Certificate } from "node:crypto";
import type { ServerHttp2Session } from "node:http2";
import { TLSSocket } from "node:tls";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import type { PeerCertificate, PeerContext } from "../../mesh/api/peer-context.ts";
import { type PodTag, readPodTag } from "../../mesh/identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import type { SpiffeId, TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { plainAddress } from "../../net/client-address.ts";
import { readPeerCertificates } from "../../net/tls/peer-certificates.ts";

/** Whose certificates count. */
export interface PeerRules {
  readonly authority: Pick<Authority, "roots">;
  readonly trustDomains: readonly TrustDomain[];
  /** @default nothing is revoked */
  readonly revocations?: { index(): RevocationIndex };
  /** Whether a pod of an identity is there. Those that are gone may have left many certificates. @default each is */
  readonly hasPod?: (identity: SpiffeId, tag: PodTag) => boolean;
  readonly clock: Clock;
}

/** The peer, by this handshake's certificate. */
export function judgePeer({ socket }: ServerHttp2Session, options: PeerRules): PeerContext {
  const address = plainAddress(socket);
  if (!(socket instanceof TLSSocket)) return { kind: "anonymous", reason: "the connection is not TLS", address };
  const verdict = verifyPeer({
    certificates: readPeerCertificates(socket),
    sessionReused: socket.isSessionReused(),
    roots: options.authority.roots().map((pem) => new X509Certificate(pem)),
    trustDomains: options.trustDomains,
    ...(options.revocations && { revocations: options.revocations.index() }),
    nowMs: options.clock.now(),
  });
  if (verdict.kind === "refused") return { kind: "anonymous", reason: verdict.message, address };
  // A second check, never the only one: on a resumed session it proves nothing.
  if (!socket.authorized) {
    return { kind: "anonymous", reason: `OpenSSL does not accept the certificate of ${verdict.identity}`, address };
  }
  const { identity, notAfterMs } = verdict;
  const certificate = describePath(verdict.path);
  const podTag = readPodTag(certificate.serialNumber);
  const isThere = podTag !== undefined && (options.hasPod?.(identity, podTag) ?? true);
  return { kind: "verified", identity, notAfterMs, certificate, ...(isThere && { podTag }), address };
}

function describePath([leaf, ...authorities]: readonly X509Certificate[]): PeerCertificate {
  return {
    serialNumber: normalizeSerialNumber(leaf?.serialNumber ?? ""),
    rootFingerprint: authorities.at(-1)?.fingerprint256 ?? "",
    authorities: authorities.map(({ serialNumber }) => normalizeSerialNumber(serialNumber)),
  };
}
