import type { VerifiedPeer } from "./handshake.ts";
import type { Relay } from "./relay.ts";

/**
 * How far a connection has come. `accepted`: it is not yet known who the client is, or where it may go. `waiting`: it
 * may pass, and nothing has been delivered yet. `open`: it is carried.
 */
export type ConnectionStage = "accepted" | "waiting" | "open";

/** A connection, from accept to its end. */
export interface OpenConnection {
  readonly direction: "inbound" | "outbound";
  readonly stage: ConnectionStage;
  /** `ip:port` of who opened it. */
  readonly client: string;
  /** Where its client wanted to go. */
  readonly destination: { readonly ip: string; readonly port: number };
  /** Where it went: the application, or the endpoint chosen. */
  readonly endpoint: { readonly ip: string; readonly port: number };
  /** The host that the destination resolved to; empty where there is none. */
  readonly host: string;
  /** The mesh's side of the connection; `undefined`: that side is plaintext. */
  readonly peer: VerifiedPeer | undefined;
  /** The rule that allowed it as it is: the server mode's rule inbound, the TLS rule outbound. */
  readonly rule: string;
  readonly openedAtMs: number;
  readonly relay: Relay;
  /** Whether the policy of now would let it be as it is. */
  readonly isAllowed: () => boolean;
  /** Bytes of the application so far, without TLS: `received` from the client, `sent` to it. */
  readonly bytes: () => { readonly received: number; readonly sent: number };
}

/** Why a connection that was allowed is cut. */
export type CutReason = "policy_changed" | "trust_changed" | "drain_deadline" | "displaced";

export interface ConnectionRegistry {
  /** Enters a connection, and judges it at once: the policy may have changed while it was being made. */
  add(connection: OpenConnection): void;
  /** Judges one connection, after more is known of it. */
  judge(connection: OpenConnection): void;
  list(): readonly OpenConnection[];
  readonly size: number;
  /** Judges every connection again, after policy or trust has changed. */
  revalidate(): void;
  cutAll(reason: CutReason): void;
  /** Resolves when no open connection is left, at once if there is none. Those that carry nothing are not awaited. */
  whenEmpty(): Promise<void>;
}

export interface RegistryOptions {
  readonly revalidate: (connection: OpenConnection) => CutReason | undefined;
  readonly onCut: (connection: OpenConnection, reason: CutReason) => void;
}

/** Knows every open connection, so that they can be counted, shown, drained, and judged again when the policy changes. */
export function createConnectionRegistry(options: RegistryOptions): ConnectionRegistry {
  const open = new Set<OpenConnection>();
  const waiting = new Set<() => void>();
  const isCarrying = (): boolean => {
    for (const { stage } of open) if (stage === "open") return true;
    return false;
  };
  const remove = (connection: OpenConnection): void => {
    open.delete(connection);
    if (waiting.size === 0 || isCarrying()) return;
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const cut = (connection: OpenConnection, reason: CutReason | undefined): void => {
    if (reason === undefined) return;
    options.onCut(connection, reason);
    connection.relay.cut();
  };
  return {
    add(connection) {
      open.add(connection);
      void connection.relay.ended.then(() => remove(connection));
      cut(connection, options.revalidate(connection));
    },
    judge: (connection) => cut(connection, options.revalidate(connection)),
    list: () => [...open],
    get size() {
      return open.size;
    },
    revalidate() {
      for (const connection of open) cut(connection, options.revalidate(connection));
    },
    cutAll(reason) {
      for (const connection of open) cut(connection, reason);
    },
    whenEmpty: () => (!isCarrying() ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))),
  };
}
