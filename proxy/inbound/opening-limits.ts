import type { Clock, Timer } from "../../mesh/runtime.ts";
import { type CapEntry, type ConnectionCap, createConnectionCap } from "../connections/connection-cap.ts";
import { type Refused, refused } from "./refusal.ts";

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
  /** Its time is over, or it must make room: the connection must be closed. */
  readonly onOver: (refusal: Refused) => void;
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
    const { caps, handshakeTimeoutMs: timeoutMs } = this.#options;
    this.#enter(caps.unproved, timeoutMs, {
      displaced: refused(
        "handshake",
        "too_many_pending",
        "displaced by newer connections: too many had proved nothing",
      ),
      late: refused("handshake", "handshake_timeout", `the client had proved nothing after ${timeoutMs} ms`),
    });
  }

  /** The client may pass, and has said nothing yet that could be delivered. */
  awaitFirstBytes(isVerified: boolean): void {
    const { caps, silenceTimeoutMs: timeoutMs } = this.#options;
    this.#enter(isVerified ? caps.verified : caps.plaintext, timeoutMs, {
      displaced: refused("policy", "too_many_silent", "displaced by newer connections: too many had said nothing"),
      late: refused("policy", "silence_timeout", `neither side had said anything after ${timeoutMs} ms`),
    });
  }

  /** Something is delivered, or the connection has ended. */
  leave(): void {
    this.#cap = undefined;
    this.#entry?.leave();
    this.#timer?.cancel();
  }

  /** The time limit of a state runs once, however often it is entered anew. */
  #enter(cap: ConnectionCap, timeoutMs: number, why: { readonly displaced: Refused; readonly late: Refused }): void {
    if (this.#cap === cap) return;
    this.leave();
    this.#cap = cap;
    this.#timer = this.#options.clock.setTimeout(() => this.#over(why.late), timeoutMs);
    this.#entry = cap.enter(() => this.#over(why.displaced));
  }

  #over(refusal: Refused): void {
    this.leave();
    this.#options.onOver(refusal);
  }
}
