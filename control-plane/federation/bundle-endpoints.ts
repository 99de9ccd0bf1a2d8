import type { SettingsSource } from "../../discovery/discovery-service.ts";
import type { FetchedDocument } from "../../discovery/documents/fetch-document.ts";
import { decideNextFetchMs } from "../../discovery/documents/fetch-schedule.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import { judgeBundleOrder, type OlderBundles } from "./bundle-order.ts";
import { describeLoss, type FollowedSource, FollowedSources } from "./followed-sources.ts";
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

/** Of one attempt, with its redirects. */
const TIMEOUT_MS = 10_000;

interface Followed extends FollowedSource {
  bundle: SpiffeBundle | undefined;
  /** What it has sent since then. */
  older: OlderBundles | undefined;
  failures: number;
  timer: Timer | undefined;
  /** Ends the attempt in progress. */
  attempt: AbortController | undefined;
}

const UNFETCHED = { bundle: undefined, older: undefined, failures: 0, timer: undefined, attempt: undefined } as const;

/**
 * Follows the SPIFFE bundle endpoints that the mesh's settings name. The last good bundle of an endpoint stays while it is
 * away, sends what cannot be used, or sends an older bundle, and goes when the settings name it no longer.
 */
export class BundleEndpoints extends FollowedSources<Followed> {
  readonly #deps: BundleEndpointsDeps;

  constructor(deps: BundleEndpointsDeps) {
    super(deps);
    this.#deps = deps;
    this.start();
  }

  protected override sourceOf(entry: ForeignAuthorities): string | undefined {
    return entry.kind === "bundle endpoint" ? entry.url : undefined;
  }

  protected override create(source: FollowedSource): Followed {
    return { ...source, ...UNFETCHED };
  }

  protected override onAdded(followed: Followed): void {
    void this.#attempt(followed);
  }

  protected override onRemoved({ timer, attempt }: Followed): void {
    timer?.cancel();
    attempt?.abort();
  }

  async #attempt(followed: Followed): Promise<void> {
    const attempt = new AbortController();
    followed.attempt = attempt;
    const limit = this.#deps.clock.setTimeout(() => attempt.abort(), TIMEOUT_MS);
    const result = await this.#deps.fetch(followed.source, attempt.signal);
    limit.cancel();
    followed.attempt = undefined;
    if (this.isFollowed(followed)) this.#settle(followed, result);
  }

  #settle(followed: Followed, result: FetchedDocument): void {
    const { clock, random, onFetched } = this.#deps;
    const read = result.kind === "failed" ? result : this.#read(followed, result.text);
    onFetched?.(RESULTS[read.kind]);
    if (read.kind === "bundle") this.#accept(followed, read.bundle);
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

  #accept(followed: Followed, bundle: SpiffeBundle): void {
    const isBack = followed.failures > 0;
    followed.bundle = bundle;
    followed.failures = 0;
    const { roots, sequence, refreshMs } = bundle;
    this.keep(followed, roots, (isChanged) => {
      const fields = { ...describe(followed), roots: roots.length, sequence, refreshMs, isChanged };
      const message = "fetched the bundle of a foreign trust domain";
      if (isChanged || isBack) this.#deps.log.info({ ...fields, code: "federation_bundle" }, message);
    });
  }

  #fail(followed: Followed, { kind, reason }: { readonly kind: "failed" | "refused"; readonly reason: string }): void {
    followed.failures += 1;
    const { failures } = followed;
    const isRefused = kind === "refused";
    const code = isRefused ? "federation_bundle_refused" : "federation_fetch_failed";
    const message = `the bundle of a foreign trust domain ${isRefused ? "is refused" : "cannot be fetched"}: ${describeLoss(followed)}`;
    // Someone has to look at a bundle that must not be used; an endpoint that is away comes back by itself.
    this.#deps.log[isRefused ? "error" : "warn"]({ ...describe(followed), code, reason, failures }, message);
  }
}

const RESULTS = { bundle: "success", failed: "failure", refused: "refused" } as const;

/** The address without its query, which may be confidential. */
function describe({ source, trustDomains }: Followed) {
  return { component: "federation", trustDomains, url: source.split("?", 1)[0] ?? "" };
}
