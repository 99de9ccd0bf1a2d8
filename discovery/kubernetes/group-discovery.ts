import type { DiscoveredKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Random, Timer } from "../../mesh/runtime.ts";

export interface GroupDiscoveryOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly group: string;
  /** Receives the kinds that the server has in this group, each time it was asked. */
  readonly onKinds: (kinds: readonly DiscoveredKind[]) => void;
  readonly onFailure: (why: string) => void;
  readonly signal: AbortSignal;
}

/** CRDs change rarely; each request is small. */
const POLL_MS = 20_000;
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 20_000;
/** Between requests that events cause. */
const MIN_INTERVAL_MS = 2000;

/** Asks again and again which kinds a group has, so that CRDs may come, change and go. */
export class GroupDiscovery {
  readonly #options: GroupDiscoveryOptions;
  #timer: Timer | undefined;
  #isAsking = false;
  #failures = 0;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: GroupDiscoveryOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
    void this.#ask();
  }

  /** Asks soon, because something indicates that the kinds have changed. */
  hasten(): void {
    const elapsedMs = this.#options.clock.monotonicMs() - this.#askedMs;
    if (!this.#isAsking) this.#schedule(Math.max(0, MIN_INTERVAL_MS - elapsedMs));
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.#options.signal.aborted) this.#timer = this.#options.clock.setTimeout(() => void this.#ask(), delayMs);
  }

  async #ask(): Promise<void> {
    const { api, clock, random, group, onKinds, onFailure, signal } = this.#options;
    this.#isAsking = true;
    this.#askedMs = clock.monotonicMs();
    let delayMs = POLL_MS * (1 + random() / 2);
    try {
      const kinds = await api.discover(group, { signal });
      if (signal.aborted) return;
      this.#failures = 0;
      onKinds(kinds);
    } catch (caught) {
      if (signal.aborted) return;
      delayMs = random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      onFailure(MeshError.from(caught).message);
    } finally {
      this.#isAsking = false;
    }
    this.#schedule(delayMs);
  }
}
