import { Gauge, type Registry } from "prom-client";
import type { ConfigSource } from "../discovery/config-source.ts";
import { fetchKeySet } from "../discovery/jwks/fetch-key-set.ts";
import { KeySets } from "../discovery/jwks/key-sets.ts";
import { type FetchingOptions, startDocumentFetching } from "./document-fetching.ts";

export interface KeySetsOptions extends FetchingOptions {
  readonly config: Pick<ConfigSource, "current" | "subscribe">;
}

/** Fetches the keys that RequestAuthentications name, and counts that. */
export function startKeySets(options: KeySetsOptions): KeySets {
  const { allowsLocal, registry, signal, ...deps } = options;
  const { fetch, onFetched, stopWith } = startDocumentFetching(
    {
      name: "entente_jwks_fetches_total",
      help: "Attempts to fetch the keys of an issuer of tokens, by result.",
    },
    allowsLocal ? "all" : "none",
    { registry, signal },
  );
  const keySets = new KeySets({
    ...{ onFetched, ...deps },
    fetch: (source, ended) => fetchKeySet(source, { fetch }, ended),
  });
  registerStatus(registry, keySets);
  stopWith(() => keySets.stop());
  return keySets;
}

function registerStatus(registry: Registry, keySets: KeySets): void {
  new Gauge({
    name: "entente_jwks_sources",
    help: "Addresses of keys: current, stale (the last attempt failed), or missing (never fetched: tokens are refused).",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const { sources, missing, stale } = keySets.status();
      this.set({ state: "current" }, sources - missing - stale);
      this.set({ state: "stale" }, stale);
      this.set({ state: "missing" }, missing);
    },
  });
  new Gauge({
    name: "entente_jwks_oldest_seconds",
    help: "Seconds since the oldest keys in use were fetched; 0: there are none.",
    registers: [registry],
    collect() {
      this.set(keySets.status().oldestMs / 1000);
    },
  });
}
