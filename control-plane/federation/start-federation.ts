import { Counter, Gauge, type Registry } from "prom-client";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import { createDocumentFetcher } from "../../discovery/documents/fetch-document.ts";
import type { FederatedDomain } from "../../mesh/policy/types.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { BundleEndpoints } from "./bundle-endpoints.ts";
import { decideFederatedTrust, type FederatedTrust, type RefusedRoot } from "./federated-trust.ts";

export interface FederationOptions {
  readonly settings: SettingsSource;
  readonly authority: Pick<Authority, "roots" | "issuers" | "subscribe">;
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

/** Follows the settings, the bundle endpoints and the mesh's own authorities. */
export function startFederation(options: FederationOptions): Federation {
  const { settings, authority, allowsLocal, registry, signal, log, ...deps } = options;
  const fetcher = createDocumentFetcher(allowsLocal ? "configured" : "none");
  const fetches = new Counter({
    name: "entente_federation_fetches_total",
    help: "Attempts to fetch the bundle of a foreign trust domain: success, failure, or refused (it must not come into force).",
    labelNames: ["result"],
    registers: [registry],
  });
  const endpoints = new BundleEndpoints({
    ...{ settings, log, ...deps },
    fetch: (url, ended) => fetcher.fetch({ url, signal: ended }),
    onFetched: (result) => fetches.inc({ result }),
  });
  const decide = (): FederatedTrust =>
    decideFederatedTrust({
      authorities: settings.current().caCertificates,
      rootsOf: (url) => endpoints.rootsOf(url),
      ownAuthorities: [...authority.roots(), ...authority.issuers()],
    });
  const federation = new FollowedFederation(decide, log);
  const changed = (): void => federation.changed();
  const unsubscribe = [settings.subscribe(changed), endpoints.subscribe(changed), authority.subscribe(changed)];
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
  readonly #decide: () => FederatedTrust;
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  #trust: FederatedTrust = { domains: [], refused: [] };

  constructor(decide: () => FederatedTrust, log: Logger) {
    this.#decide = decide;
    this.#log = log;
    this.changed();
  }

  current(): readonly FederatedDomain[] {
    return this.#trust.domains;
  }

  get refused(): readonly RefusedRoot[] {
    return this.#trust.refused;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    const before = this.#trust;
    this.#trust = this.#decide();
    const isReported = (root: RefusedRoot): boolean =>
      before.refused.some((known) => JSON.stringify(known) === JSON.stringify(root));
    for (const root of this.#trust.refused) {
      if (isReported(root)) continue;
      const fields = { component: "federation", code: "federation_root_refused", ...root };
      this.#log.error(fields, "a root of a foreign trust domain is not trusted");
    }
    if (JSON.stringify(before.domains) === JSON.stringify(this.#trust.domains)) return;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The labels are those of the mesh's settings. */
function registerStatus(registry: Registry, endpoints: BundleEndpoints, federation: FollowedFederation): void {
  new Gauge({
    name: "entente_federation_roots",
    help: "Roots of a foreign trust domain: trusted, or refused because another authority has the same name.",
    labelNames: ["trust_domain", "state"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { trustDomain, roots } of federation.current()) {
        this.set({ trust_domain: trustDomain, state: "trusted" }, roots.length);
      }
      for (const { trustDomain } of federation.refused) this.inc({ trust_domain: trustDomain, state: "refused" });
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
