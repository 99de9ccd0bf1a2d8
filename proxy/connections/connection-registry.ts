import type { SocketAddress } from "../../net/socket-address.ts";
import type { VerifiedPeer } from "./handshake.ts";
import type { Relay } from "./relay.ts";

/**
 * How far a connection has come. `accepted`: the client's identity or its destination is not known yet. `waiting`: it
 * is allowed, and nothing has been delivered yet. `open`: it is being forwarded.
 */
export type ConnectionStage = "accepted" | "waiting" | "open";

/** A connection, from accept to its end. */
export interface OpenConnection {
  readonly direction: "inbound" | "outbound";
  readonly stage: ConnectionStage;
  /** `ip:port` of the client. */
  readonly client: string;
  /** The original destination. */
  readonly destination: SocketAddress;
  /** The upstream: the application, or the chosen endpoint. */
  readonly endpoint: SocketAddress;
  /** The host that the destination resolved to; empty where there is none. */
  readonly host: string;
  /** The verified peer; `undefined`: plaintext. */
  readonly peer: VerifiedPeer | undefined;
  /** The rule that allowed it: the mode's rule inbound, the TLS rule outbound. */
  readonly rule: string;
  readonly openedAtMs: number;
  readonly relay: Relay;
  /** Which policy applies: `INBOUND_POLICY`, or the key of its destination. */
  readonly policyKey: string;
  /** Whether the current policy allows it. */
  readonly isAllowed: () => boolean;
  /** Judges each of its requests again, by the current policy; must not throw. */
  judgeRequests?(): void;
  /** Bytes of the application so far, without TLS: `received` from the client, `sent` to it. */
  readonly bytes: () => { readonly received: number; readonly sent: number };
}

/** Why a connection that was allowed is cut. */
export type CutReason = "policy_changed" | "trust_changed" | "stopped" | "displaced";

export interface ConnectionRegistry {
  /** Adds a connection, and judges it at once: policy or trust may have changed while it was being opened. */
  add(connection: OpenConnection): void;
  /** Judges one connection again, after more is known about it. */
  judge(connection: OpenConnection): void;
  list(): readonly OpenConnection[];
  readonly size: number;
  /** Judges the connections of one policy again, after the policy has changed. No certificate is verified. */
  judgePolicy(policyKey: string): void;
  /**
   * Judges the peers of all connections again, after roots or trust domains have changed. Resolves when it is done, or
   * when a later call has taken over.
   */
  judgeTrust(): Promise<void>;
  cutAll(reason: CutReason): void;
}

export interface RegistryOptions {
  /** Whether a peer is still trusted. May cost a signature check for each certificate of its chain. */
  readonly isTrusted: (peer: VerifiedPeer) => boolean;
  readonly onCut: (connection: OpenConnection, reason: CutReason) => void;
}

/** The key of the pod's own policy; destinations have keys of their own. */
export const INBOUND_POLICY = "inbound";

/** How many peers are judged before yielding to the event loop: a P-256 chain takes about 0.1 ms, an RSA chain more. */
const PEERS_PER_SLICE = 16;

/**
 * Knows every open connection, so that they can be counted, shown, drained, and judged again when policy or trust
 * changes.
 */
export function createConnectionRegistry(options: RegistryOptions): ConnectionRegistry {
  const open = new Set<OpenConnection>();
  const cut = (connection: OpenConnection, reason: CutReason): void => {
    options.onCut(connection, reason);
    connection.relay.cut();
  };
  const cutIfUntrusted = (connection: OpenConnection): void => {
    if (connection.peer !== undefined && !options.isTrusted(connection.peer)) cut(connection, "trust_changed");
  };
  const judge = (connection: OpenConnection): void => {
    if (!connection.isAllowed()) cut(connection, "policy_changed");
    else cutIfUntrusted(connection);
  };
  let trustPasses = 0;
  return {
    add(connection) {
      open.add(connection);
      connection.relay.onEnd(() => open.delete(connection));
      judge(connection);
    },
    judge,
    list: () => [...open],
    get size() {
      return open.size;
    },
    judgePolicy(policyKey) {
      for (const connection of open) {
        if (connection.policyKey !== policyKey) continue;
        if (connection.isAllowed()) connection.judgeRequests?.();
        else cut(connection, "policy_changed");
      }
    },
    async judgeTrust() {
      trustPasses += 1;
      const pass = trustPasses;
      const peers = [...open].filter(({ peer }) => peer !== undefined);
      // Connections that are added from here on are judged by `add`.
      for (let from = 0; from < peers.length && pass === trustPasses; from += PEERS_PER_SLICE) {
        for (const connection of peers.slice(from, from + PEERS_PER_SLICE)) {
          if (open.has(connection)) cutIfUntrusted(connection);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    cutAll(reason) {
      for (const connection of open) cut(connection, reason);
    },
  };
}
