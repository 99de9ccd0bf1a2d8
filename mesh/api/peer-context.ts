import { createContextKey } from "@connectrpc/connect";
import type { SpiffeId } from "../identity/spiffe-id.ts";

/** A peer whose certificate was verified in the TLS handshake. */
export type VerifiedPeer = Extract<PeerContext, { kind: "verified" }>;

/** The unit of caller limits: an identity at one address. Pods that share an address share its limits. */
export function formatCaller({ identity, address }: VerifiedPeer): string {
  return `${identity} at ${address}`;
}

/** The peer of the TLS connection on which a gRPC call arrived. */
export type PeerContext =
  | {
      readonly kind: "verified";
      readonly identity: SpiffeId;
      readonly notAfterMs: number;
      /** The peer's IP address: distinguishes the pods of one identity. */
      readonly address: string;
    }
  | { readonly kind: "anonymous"; readonly reason: string };

/**
 * Set by the server that owns the connection. A handler that finds the default must treat its caller as
 * unauthenticated.
 */
export const peerIdentityKey = createContextKey<PeerContext>(
  { kind: "anonymous", reason: "the server set no peer" },
  { description: "the verified peer of the connection" },
);
