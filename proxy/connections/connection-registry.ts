import type { SocketAddress } from "../../net/socket-address.ts";
import type { VerifiedPeer } from "./handshake.ts";
import type { TrustVerdict } from "./peer-judge.ts";
import type { CutReason, Relay } from "./relay.ts";
import { SlicedJudging } from "./sliced-judging.ts";

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
  /** By the monotonic clock: a wall clock that is set does not change how long a connection has been open. */
  readonly openedAtMs: number;
  readonly relay: Relay;
  /** Why the proxy has cut it; `undefined`: it has not. */
  readonly cutReason?: CutReason | undefined;
  /** Which policy applies: `INBOUND_POLICY`, or the key of its destination. */
  readonly policyKey: string;
  /** Whether the current policy allows it. */
  readonly isAllowed: () => boolean;
  /** Judges each of its requests again, by the current policy; must not throw. */
  judgeRequests?(): void;
  /** Bytes of the application so far, without TLS: `received` from the client, `sent` to it. */
  readonly bytes: () => { readonly received: number; readonly sent: number };
}

export interface ConnectionRegistry {
  /** Adds a connection, and judges it at once: policy or trust may have changed while it was being opened. */
  add(connection: OpenConnection): void;
  /** Judges one connection again, after more is known about it. */
  judge(connection: OpenConnection): void;
  /** Judges a connection now if it still waits for its turn after a change of trust: before it carries another request. */
  settle(connection: OpenConnection): void;
  list(): readonly OpenConnection[];
  readonly size: number;
  /** Judges the connections of one policy again, after the policy has changed. No certificate is verified. */
  judgePolicy(policyKey: string): void;
  /**
   * Judges the peers of all connections again, after roots, trust domains or revocations have changed. Resolves when all
   * have been judged by what is then in force; a call in the meantime puts those that were judged before at the end.
   */
  judgeTrust(): Promise<void>;
  cutAll(reason: CutReason): void;
}

export interface RegistryOptions {
  readonly judgePeer: (peer: VerifiedPeer) => TrustVerdict;
  readonly onCut: (connection: OpenConnection, reason: CutReason) => void;
}

/** The key of the pod's own policy; destinations have keys of their own. */
export const INBOUND_POLICY = "inbound";

/** For `SlicedJudging`: to verify a chain of P-256 takes about 0.1 ms, one of RSA more. */
const COSTS: Readonly<Record<TrustVerdict, number>> = { unchanged: 1, verified: 32, untrusted: 32, revoked: 16 };

/**
 * Knows every open connection, so that they can be counted, shown, drained, and judged again when policy or trust
 * changes.
 */
export function createConnectionRegistry(options: RegistryOptions): ConnectionRegistry {
  const open = new Set<OpenConnection>();
  const cut = (connection: OpenConnection, reason: CutReason): void => {
    options.onCut(connection, reason);
    connection.relay.cut(reason);
  };
  const judgePeer = (connection: OpenConnection): number => {
    const verdict = connection.peer === undefined ? "unchanged" : options.judgePeer(connection.peer);
    if (verdict === "untrusted") cut(connection, "trust_changed");
    else if (verdict === "revoked") cut(connection, "revoked");
    return COSTS[verdict];
  };
  const judge = (connection: OpenConnection): void => {
    if (!connection.isAllowed()) cut(connection, "policy_changed");
    else judgePeer(connection);
  };
  const judging = new SlicedJudging(judgePeer);
  return {
    add(connection) {
      open.add(connection);
      connection.relay.onEnd(() => {
        open.delete(connection);
        judging.delete(connection);
      });
      judge(connection);
    },
    judge,
    settle(connection) {
      if (judging.delete(connection)) judgePeer(connection);
    },
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
    judgeTrust() {
      // Connections that are added from here on are judged by `add`, and those whose peer is verified later by `judge`.
      for (const connection of open) if (connection.peer !== undefined) judging.add(connection);
      return judging.run();
    },
    cutAll(reason) {
      for (const connection of open) cut(connection, reason);
    },
  };
}
