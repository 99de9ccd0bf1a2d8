import type { Clock, Timer } from "../../mesh/runtime.ts";
import { type CapEntry, type ConnectionCap, createConnectionCap } from "../connections/limits/connection-cap.ts";
import type { TrackedConnection } from "../connections/tracked-connection.ts";

/** The caps on connections on which nothing has been delivered yet. */
export interface OpeningCaps {
  /** The client is unverified: waiting for first bytes, or in a TLS handshake. */
  readonly unproved: ConnectionCap;
  /** Plaintext clients that are allowed, while neither they nor the application have sent anything. */
  readonly plaintext: ConnectionCap;
  /** The same for verified peers; a flood of others does not displace them. */
  readonly verified: ConnectionCap;
}

export interface OpeningCapLimits {
  readonly maxUnproved: number;
  readonly maxSilentPlaintext: number;
  readonly maxSilentVerified: number;
}

export function createOpeningCaps(limits: OpeningCapLimits): OpeningCaps {
  return {
    unproved: createConnectionCap(limits.maxUnproved),
    plaintext: createConnectionCap(limits.maxSilentPlaintext),
    verified: createConnectionCap(limits.maxSilentVerified),
  };
}

export interface OpeningLimitsOptions {
  readonly clock: Clock;
  readonly caps: OpeningCaps;
  readonly handshakeTimeoutMs: number;
  readonly silenceTimeoutMs: number;
  /** Of the TCP peer. */
  readonly sourceIp: string;
  /** Refused if its time limit has passed, or if it must make room. */
  readonly connection: Pick<TrackedConnection, "refuse">;
}

/** Keeps one connection under the cap and time limit of its state, until something is delivered. */
export class OpeningLimits {
  readonly #options: OpeningLimitsOptions;
  #cap: ConnectionCap | undefined;
  #entry: CapEntry | undefined;
  #timer: Timer | undefined;

  constructor(options: OpeningLimitsOptions) {
    this.#options = options;
  }

  /** The client is unverified. */
  awaitProof(): void {
    const { caps, handshakeTimeoutMs, connection } = this.#options;
    this.#enter(caps.unproved, {
      timeoutMs: handshakeTimeoutMs,
      onLate: () =>
        connection.refuse(
          "handshake",
          "handshake_timeout",
          `the client was still unverified after ${handshakeTimeoutMs} ms`,
        ),
      onDisplaced: () =>
        connection.refuse("handshake", "too_many_pending", "displaced by newer connections: too many were unverified"),
    });
  }

  /** The client is allowed, and has sent nothing yet that could be delivered. */
  awaitFirstBytes(isVerified: boolean): void {
    const { caps, silenceTimeoutMs, connection } = this.#options;
    this.#enter(isVerified ? caps.verified : caps.plaintext, {
      timeoutMs: silenceTimeoutMs,
      onLate: () =>
        connection.refuse("policy", "silence_timeout", `neither side had sent anything after ${silenceTimeoutMs} ms`),
      onDisplaced: () =>
        connection.refuse("policy", "too_many_silent", "displaced by newer connections: too many were silent"),
    });
  }

  /** Something is delivered, or the connection has ended. */
  leave(): void {
    this.#cap = undefined;
    this.#entry?.leave();
    this.#timer?.cancel();
  }

  /** The time limit of a state runs once, even if the state is entered again. */
  #enter(cap: ConnectionCap, { timeoutMs, onLate, onDisplaced }: StateLimits): void {
    if (this.#cap === cap) return;
    this.leave();
    this.#cap = cap;
    this.#timer = this.#options.clock.setTimeout(onLate, timeoutMs);
    this.#entry = cap.enter(this.#options.sourceIp, onDisplaced);
  }
}

interface StateLimits {
  readonly timeoutMs: number;
  readonly onLate: () => void;
  readonly onDisplaced: () => void;
}
