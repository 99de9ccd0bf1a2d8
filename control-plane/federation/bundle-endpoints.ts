import type { SettingsSource } from "../../discovery/discovery-service.ts";
import type { FetchedDocument } from "../../discovery/documents/fetch-document.ts";
import { decideNextFetchMs } from "../../discovery/documents/fetch-schedule.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import { judgeBundleOrder, type OlderBundles } from "./bundle-order.ts";
import { domainsBySource } from "./federated-trust.ts";
import { parseSpiffeBundle, type ReadBundle, type SpiffeBundle } from "./spiffe-bundle.ts";

export interface BundleEndpointsDeps {
  readonly settings: SettingsSource;
  readonly fetch: (url: string, signal: AbortSignal) => Promise<FetchedDocument>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Counts each attempt. `refused`: there was a document that must not come into force. */
  readonly onFetched?: (result: "success" | "failure" | "refused") => void;
}

/** For operators. */
export interface BundleStatus {
  readonly trustDomains: readonly TrustDomain[];
  /** Since the last success, in milliseconds; `undefined`: there was none. */
  readonly ageMs: number | undefined;
}

/** Of one attempt, with its redirects. */
const TIMEOUT_MS = 10_000;

interface Followed {
  readonly url: string;
  trustDomains: readonly TrustDomain[];
  bundle: SpiffeBundle | undefined;
  /** What it has sent since then. */
  older: OlderBundles | undefined;
  fetchedAtMs: number;
  failures: number;
  timer: Timer | undefined;
  /** Ends the attempt in progress. */
  attempt: AbortController | undefined;
}

/**
 * Follows the SPIFFE bundle endpoints that the mesh's settings name. The last good bundle of an endpoint stays while it is
 * away, sends what cannot be used, or sends an older bundle, and goes when the settings name it no longer.
 */
export class BundleEndpoints {
  readonly #deps: BundleEndpointsDeps;
  readonly #followed = new Map<string, Followed>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: () => void;

  constructor(deps: BundleEndpointsDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.settings.subscribe(() => this.#follow());
    this.#follow();
  }

  /** The roots of an endpoint; `undefined`: it has not responded yet. */
  rootsOf(url: string): readonly string[] | undefined {
    return this.#followed.get(url)?.bundle?.roots;
  }

  /** Calls the listener after each change of roots. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): readonly BundleStatus[] {
    const nowMs = this.#deps.clock.monotonicMs();
    return [...this.#followed.values()].map(({ trustDomains, bundle, fetchedAtMs }) => ({
      trustDomains,
      ageMs: bundle === undefined ? undefined : nowMs - fetchedAtMs,
    }));
  }

  stop(): void {
    this.#unsubscribe();
    for (const url of [...this.#followed.keys()]) this.#forget(url);
  }

  #follow(): void {
    const wanted = domainsBySource(this.#deps.settings.current().caCertificates, (entry) =>
      entry.kind === "bundle endpoint" ? entry.url : undefined,
    );
    for (const url of [...this.#followed.keys()]) if (!wanted.has(url)) this.#forget(url);
    for (const [url, trustDomains] of wanted) {
      const known = this.#followed.get(url);
      if (known === undefined) this.#add(url, trustDomains);
      else known.trustDomains = trustDomains;
    }
  }

  #add(url: string, trustDomains: readonly TrustDomain[]): void {
    const state = {
      bundle: undefined,
      older: undefined,
      fetchedAtMs: 0,
      failures: 0,
      timer: undefined,
      attempt: undefined,
    };
    const followed: Followed = { url, trustDomains, ...state };
    this.#followed.set(url, followed);
    void this.#attempt(followed);
  }

  #forget(url: string): void {
    const followed = this.#followed.get(url);
    this.#followed.delete(url);
    followed?.timer?.cancel();
    followed?.attempt?.abort();
  }

  async #attempt(followed: Followed): Promise<void> {
    const attempt = new AbortController();
    followed.attempt = attempt;
    const limit = this.#deps.clock.setTimeout(() => attempt.abort(), TIMEOUT_MS);
    const result = await this.#deps.fetch(followed.url, attempt.signal);
    limit.cancel();
    followed.attempt = undefined;
    if (this.#followed.get(followed.url) === followed) this.#settle(followed, result);
  }

  #settle(followed: Followed, result: FetchedDocument): void {
    const { clock, random, onFetched } = this.#deps;
    const read = result.kind === "failed" ? result : this.#read(followed, result.text);
    onFetched?.(RESULTS[read.kind]);
    if (read.kind === "bundle") this.#keep(followed, read.bundle);
    else this.#fail(followed, read);
    const delayMs = decideNextFetchMs(followed.failures, followed.bundle?.refreshMs ?? 0, random);
    followed.timer = clock.setTimeout(() => void this.#attempt(followed), delayMs);
  }

  #read(followed: Followed, text: string): ReadBundle {
    const { clock, log } = this.#deps;
    const read = parseSpiffeBundle(text);
    if (read.kind === "refused") return read;
    const last = followed.bundle;
    const order = judgeBundleOrder(read.bundle, last, followed.older, clock.monotonicMs());
    followed.older = order.kind === "older" ? order.older : undefined;
    if (order.kind === "older") return { kind: "refused", reason: order.reason };
    if (order.kind === "restarted") {
      const fields = { ...describe(followed), code: "federation_sequence_restarted" };
      const sequences = { sequence: read.bundle.sequence, lastSequence: last?.sequence };
      log.warn({ ...fields, ...sequences }, "a foreign trust domain has begun to count its bundles again");
    }
    return read;
  }

  #keep(followed: Followed, bundle: SpiffeBundle): void {
    const { clock, log } = this.#deps;
    const isChanged = String(followed.bundle?.roots) !== String(bundle.roots);
    if (isChanged || followed.failures > 0) {
      const { roots, sequence, refreshMs } = bundle;
      const fields = { ...describe(followed), roots: roots.length, sequence, refreshMs, isChanged };
      log.info({ ...fields, code: "federation_bundle" }, "fetched the bundle of a foreign trust domain");
    }
    Object.assign(followed, { bundle, failures: 0, fetchedAtMs: clock.monotonicMs() });
    if (isChanged) for (const listener of [...this.#listeners]) listener();
  }

  #fail(followed: Followed, { kind, reason }: { readonly kind: "failed" | "refused"; readonly reason: string }): void {
    followed.failures += 1;
    const { failures, bundle } = followed;
    const consequence =
      bundle === undefined ? "proxies keep those of its roots that they have" : "the last good one stays in force";
    const isRefused = kind === "refused";
    const code = isRefused ? "federation_bundle_refused" : "federation_fetch_failed";
    const message = `the bundle of a foreign trust domain ${isRefused ? "is refused" : "cannot be fetched"}: ${consequence}`;
    // Someone has to look at a bundle that must not be used; an endpoint that is away comes back by itself.
    this.#deps.log[isRefused ? "error" : "warn"]({ ...describe(followed), code, reason, failures }, message);
  }
}

const RESULTS = { bundle: "success", failed: "failure", refused: "refused" } as const;

/** The address without its query, which may be confidential. */
function describe({ url, trustDomains }: Followed) {
  return { component: "federation", trustDomains, url: url.split("?", 1)[0] ?? "" };
}
