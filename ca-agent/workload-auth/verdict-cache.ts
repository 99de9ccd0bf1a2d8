import type { Clock } from "../../mesh/runtime.ts";
import type { TokenVerdict } from "./authenticator.ts";

export type AcceptedToken = Extract<TokenVerdict, { kind: "authenticated" }>;

interface Entry {
  readonly verdict: AcceptedToken;
  readonly untilMs: number;
}

/** Bounds the memory: an entry has some 500 bytes. */
const MAX_ENTRIES = 10_000;

/**
 * Remembers for a short time which tokens were accepted. Keys are hashes, so no token stays in memory. Refusals are not
 * kept: the API refuses a new pod's token for a moment, until all of its servers know the pod.
 */
export class VerdictCache {
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, maxAgeMs: number) {
    this.#clock = clock;
    this.#maxAgeMs = maxAgeMs;
  }

  get(key: string): AcceptedToken | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // By elapsed time: a wall clock that is set back must not prolong it.
    if (this.#clock.monotonicMs() < entry.untilMs) return entry.verdict;
    this.#entries.delete(key);
    return undefined;
  }

  /** @param expiresAtMs when the token ends, by the wall clock */
  set(key: string, verdict: AcceptedToken, expiresAtMs: number): void {
    const ageMs = Math.min(this.#maxAgeMs, expiresAtMs - this.#clock.now());
    if (!(ageMs > 0)) return;
    this.#entries.delete(key);
    this.#entries.set(key, { verdict, untilMs: this.#clock.monotonicMs() + ageMs });
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > MAX_ENTRIES) this.#entries.delete(oldest);
  }
}
