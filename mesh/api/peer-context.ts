import { createContextKey } from "@connectrpc/connect";
import { readPodTag } from "../identity/pod-tag.ts";
import type { SpiffeId } from "../identity/spiffe-id.ts";

/** A peer whose certificate was verified in the TLS handshake. */
export type VerifiedPeer = Extract<PeerContext, { kind: "verified" }>;

/** What identifies a peer's certificate, to revoke it and to follow a rotation of the root. */
export interface PeerCertificate {
  /** As by `normalizeSerialNumber`: another authority of the same root may issue one that begins with a zero. */
  readonly serialNumber: string;
  /** SHA-256 of the root that it leads to, as `X509Certificate.fingerprint256`. */
  readonly rootFingerprint: string;
  /** The serial numbers of the authorities of its chain, in the same form. */
  readonly authorities: readonly string[];
}

/**
 * The unit of caller limits: a pod of an identity at one address, so that replicas behind one address do not share limits.
 * The pod is that of the certificate, which no caller can choose. A certificate that names none, as of an earlier version or
 * another authority of the root, shares the limits of its identity at the address; without a certificate the address has
 * them. The address counts in each case: a stolen key used elsewhere cannot displace what its pod has open.
 */
export function formatCaller(peer: PeerContext): string {
  if (peer.kind === "anonymous") return peer.address;
  const pod = readPodTag(peer.certificate.serialNumber);
  return `${peer.identity}${pod === undefined ? "" : ` of pod ${pod}`} at ${peer.address}`;
}

/** The peer of the TLS connection on which a gRPC call arrived. */
export type PeerContext =
  | {
      readonly kind: "verified";
      readonly identity: SpiffeId;
      readonly notAfterMs: number;
      readonly certificate: PeerCertificate;
      /** The peer's IP address. Several pods may share it. */
      readonly address: string;
    }
  | {
      readonly kind: "anonymous";
      readonly reason: string;
      /** The peer's IP address; empty if it is unknown. */
      readonly address: string;
    };

/**
 * Set by the server that owns the connection. A handler that finds the default must treat its caller as
 * unauthenticated.
 */
export const peerIdentityKey = createContextKey<PeerContext>(
  { kind: "anonymous", reason: "the server set no peer", address: "" },
  { description: "the verified peer of the connection" },
);
