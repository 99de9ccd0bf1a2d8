import { createContextKey } from "@connectrpc/connect";
import type { PodTag } from "../identity/pod-tag.ts";
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
 * another authority of the root, or one that is gone, shares the limits of its identity at the address; without a
 * certificate the address has them. The address counts in each case: a stolen key used elsewhere cannot displace what its
 * pod has open.
 */
export function formatCaller(peer: PeerContext | ProvenCaller): string {
  if (peer.kind === "anonymous") return peer.address;
  const { identity, podTag, address } = peer;
  return `${identity}${podTag === undefined ? "" : ` of pod ${podTag}`} at ${address}`;
}

/** Who a caller without a certificate is, as its token has proved. With the certificate that it gets it is the same caller. */
export interface ProvenCaller {
  readonly kind: "proven";
  readonly identity: SpiffeId;
  readonly podTag: PodTag;
  readonly address: string;
}

/** The peer of the TLS connection on which a gRPC call arrived. */
export type PeerContext =
  | {
      readonly kind: "verified";
      readonly identity: SpiffeId;
      readonly notAfterMs: number;
      readonly certificate: PeerCertificate;
      /** Of the certificate's pod. Absent: it names none, or one that is not there. */
      readonly podTag?: PodTag;
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

/**
 * Set by the server that owns the connection; a handler calls it when a call has proved its caller by a token. The call and
 * its connection count for that caller from then on, and no longer for the address.
 */
export const provenCallerKey = createContextKey<(caller: ProvenCaller) => void>(() => undefined, {
  description: "what is done when a call has proved its caller",
});
