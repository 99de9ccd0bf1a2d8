import { createContextKey } from "@connectrpc/connect";
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

/** The unit of caller limits: an identity at one address, or an address. Pods that share it share its limits. */
export function formatCaller(peer: PeerContext): string {
  return peer.kind === "verified" ? `${peer.identity} at ${peer.address}` : peer.address;
}

/** The peer of the TLS connection on which a gRPC call arrived. */
export type PeerContext =
  | {
      readonly kind: "verified";
      readonly identity: SpiffeId;
      readonly notAfterMs: number;
      readonly certificate: PeerCertificate;
      /** The peer's IP address: distinguishes the pods of one identity. */
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
