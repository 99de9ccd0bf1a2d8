import { isDeepStrictEqual } from "node:util";
import { Counter, Gauge, type Registry } from "prom-client";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import { createDocumentFetcher } from "../../discovery/documents/fetch-document.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { BundleEndpoints } from "./bundle-endpoints.ts";
import { decideFederatedTrust } from "./federated-trust.ts";

export interface FederationOptions {
  readonly settings: SettingsSource;
  /** Whether a bundle endpoint may be on this machine: only if the configuration is the machine's own files. */
  readonly allowsLocal: boolean;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** The foreign trust domains whose workloads the mesh trusts. */
export interface Federation {
  current(): readonly FederatedDomain[];
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** Follows the settings and the bundle endpoints. */
export function startFederation(options: FederationOptions): Federation {
  const { settings, allowsLocal, registry, signal, ...deps } = options;
  const fetcher = createDocumentFetcher(allowsLocal ? "configured" : "none");
  const fetches = new Counter({
    name: "entente_federation_fetches_total",
    help: "Attempts to fetch the bundle of a foreign trust domain: success, failure, or refused (it must not come into force).",
    labelNames: ["result"],
    registers: [registry],
  });
  const endpoints = new BundleEndpoints({
    ...{ settings, ...deps },
    fetch: (url, ended) => fetcher.fetch({ url, signal: ended }),
    onFetched: (result) => fetches.inc({ result }),
  });
  const federation = new FollowedFederation(() =>
    decideFederatedTrust(settings.current().caCertificates, (url) => endpoints.rootsOf(url)),
  );
  const changed = (): void => federation.changed();
  const unsubscribe = [settings.subscribe(changed), endpoints.subscribe(changed)];
  registerStatus(registry, endpoints, federation);
  const stop = (): void => {
    for (const stopOne of unsubscribe) stopOne();
    endpoints.stop();
    void fetcher.close();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return federation;
}

class FollowedFederation implements Federation {
  readonly #decide: () => readonly FederatedDomain[];
  readonly #listeners = new Set<() => void>();
  #domains: readonly FederatedDomain[];

  constructor(decide: () => readonly FederatedDomain[]) {
    this.#decide = decide;
    this.#domains = decide();
  }

  current(): readonly FederatedDomain[] {
    return this.#domains;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    const before = this.#domains;
    this.#domains = this.#decide();
    if (isDeepStrictEqual(before, this.#domains)) return;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The labels are those of the mesh's settings. */
function registerStatus(registry: Registry, endpoints: BundleEndpoints, federation: Federation): void {
  new Gauge({
    name: "entente_federation_roots",
    help: "Trusted roots of a foreign trust domain; 0: its bundle was never fetched.",
    labelNames: ["trust_domain"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { trustDomain, roots } of federation.current()) {
        this.set({ trust_domain: trustDomain }, roots.length);
      }
    },
  });
  new Gauge({
    name: "entente_federation_bundle_age_seconds",
    help: "Seconds since the bundle of a foreign trust domain was last fetched from its endpoint; +Inf: never.",
    labelNames: ["trust_domain"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { trustDomains, ageMs = Number.POSITIVE_INFINITY } of endpoints.status()) {
        for (const trustDomain of trustDomains) this.set({ trust_domain: trustDomain }, ageMs / 1000);
      }
    },
  });
}
