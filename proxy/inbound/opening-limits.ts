import type { Clock, Timer } from "../../mesh/runtime.ts";
import type { Refuse } from "../connections/connection-observer.ts";
import { type CapEntry, type ConnectionCap, createConnectionCap } from "../connections/limits/connection-cap.ts";

/** The caps on connections of which nothing has been delivered yet. */
export interface OpeningCaps {
  /** Who the client is, is not known: its first bytes are awaited, or its TLS handshake runs. */
  readonly unproved: ConnectionCap;
  /** Plaintext clients that may pass, while neither they nor the application have said anything. */
  readonly plaintext: ConnectionCap;
  /** The same of verified peers; a flood of others does not displace them. */
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
  /** Its time is over, or it must make room. */
  readonly refuse: Refuse;
}

/** Keeps one connection under the cap and the time limit of its state, until something of it is delivered. */
export class OpeningLimits {
  readonly #options: OpeningLimitsOptions;
  #cap: ConnectionCap | undefined;
  #entry: CapEntry | undefined;
  #timer: Timer | undefined;

  constructor(options: OpeningLimitsOptions) {
    this.#options = options;
  }

  /** It is not known who the client is. */
  awaitProof(): void {
    const { caps, handshakeTimeoutMs, refuse } = this.#options;
    this.#enter(caps.unproved, {
      timeoutMs: handshakeTimeoutMs,
      onLate: () =>
        refuse("handshake", "handshake_timeout", `the client had proved nothing after ${handshakeTimeoutMs} ms`),
      onDisplaced: () =>
        refuse("handshake", "too_many_pending", "displaced by newer connections: too many had proved nothing"),
    });
  }

  /** The client may pass, and has said nothing yet that could be delivered. */
  awaitFirstBytes(isVerified: boolean): void {
    const { caps, silenceTimeoutMs, refuse } = this.#options;
    this.#enter(isVerified ? caps.verified : caps.plaintext, {
      timeoutMs: silenceTimeoutMs,
      onLate: () => refuse("policy", "silence_timeout", `neither side had said anything after ${silenceTimeoutMs} ms`),
      onDisplaced: () =>
        refuse("policy", "too_many_silent", "displaced by newer connections: too many had said nothing"),
    });
  }

  /** Something is delivered, or the connection has ended. */
  leave(): void {
    this.#cap = undefined;
    this.#entry?.leave();
    this.#timer?.cancel();
  }

  /** The time limit of a state runs once, however often it is entered anew. */
  #enter(cap: ConnectionCap, { timeoutMs, onLate, onDisplaced }: StateLimits): void {
    if (this.#cap === cap) return;
    this.leave();
    this.#cap = cap;
    this.#timer = this.#options.clock.setTimeout(onLate, timeoutMs);
    this.#entry = cap.enter(onDisplaced);
  }
}

interface StateLimits {
  readonly timeoutMs: number;
  readonly onLate: () => void;
  readonly onDisplaced: () => void;
}
