import { isDeepStrictEqual } from "node:util";
import { Gauge, type Registry } from "prom-client";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";
import { type FetchingOptions, startDocumentFetching } from "../document-fetching.ts";
import { BundleEndpoints } from "./bundle-endpoints.ts";
import { BundleFiles } from "./bundle-files.ts";
import { decideFederatedTrust } from "./federated-trust.ts";
import type { BundleStatus } from "./followed-sources.ts";

export interface FederationOptions extends FetchingOptions {
  readonly settings: SettingsSource;
}

/** The foreign trust domains whose workloads the mesh trusts. */
export interface Federation {
  current(): readonly FederatedDomain[];
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** Follows the settings, the bundle endpoints and the files with bundles. */
export function startFederation(options: FederationOptions): Federation {
  const { settings, allowsLocal, registry, signal, ...deps } = options;
  const { fetch, onFetched, stopWith } = startDocumentFetching(
    {
      name: "entente_federation_fetches_total",
      help: "Attempts to fetch the bundle of a foreign trust domain: success, failure, or refused (it must not come into force).",
    },
    allowsLocal ? "configured" : "none",
    { registry, signal },
  );
  const endpoints = new BundleEndpoints({
    ...{ settings, onFetched, ...deps },
    fetch: (url, ended) => fetch({ url, signal: ended }),
  });
  const files = new BundleFiles({ settings, ...deps });
  const federation = new FollowedFederation(() =>
    decideFederatedTrust(settings.current().caCertificates, (source) =>
      source.kind === "bundle file" ? files.rootsOf(source.path) : endpoints.rootsOf(source.url),
    ),
  );
  const changed = (): void => federation.changed();
  const unsubscribe = [settings, endpoints, files].map((source) => source.subscribe(changed));
  registerStatus(registry, () => [...endpoints.status(), ...files.status()], federation);
  stopWith(() => {
    for (const stopOne of unsubscribe) stopOne();
    endpoints.stop();
    files.stop();
  });
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
function registerStatus(registry: Registry, status: () => readonly BundleStatus[], federation: Federation): void {
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
    help: "Seconds since the bundle of a foreign trust domain was last fetched or read; +Inf: never.",
    labelNames: ["trust_domain"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { trustDomains, ageMs = Number.POSITIVE_INFINITY } of status()) {
        for (const trustDomain of trustDomains) this.set({ trust_domain: trustDomain }, ageMs / 1000);
      }
    },
  });
}
