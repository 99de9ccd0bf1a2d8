import { Counter, Gauge, type Registry } from "prom-client";
import type { ConfigSource } from "../discovery/config-source.ts";
import { createDocumentFetcher } from "../discovery/documents/fetch-document.ts";
import { fetchKeySet } from "../discovery/jwks/fetch-key-set.ts";
import { KeySets } from "../discovery/jwks/key-sets.ts";
import type { Clock, Logger, Random } from "../mesh/runtime.ts";

export interface KeySetsOptions {
  readonly config: Pick<ConfigSource, "current" | "subscribe">;
  /** Whether keys may be fetched from this machine: only if the configuration is the machine's own files. */
  readonly allowsLocal: boolean;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Stops it. */
  readonly signal: AbortSignal;
}

/** Fetches the keys that RequestAuthentications name, and counts that. */
export function startKeySets(options: KeySetsOptions): KeySets {
  const { allowsLocal, registry, signal, ...deps } = options;
  const fetcher = createDocumentFetcher(allowsLocal ? "all" : "none");
  const fetches = new Counter({
    name: "entente_jwks_fetches_total",
    help: "Attempts to fetch the keys of an issuer of tokens, by result.",
    labelNames: ["result"],
    registers: [registry],
  });
  const keySets = new KeySets({
    ...deps,
    fetch: (source, ended) => fetchKeySet(source, fetcher, ended),
    onFetched: (result) => fetches.inc({ result }),
  });
  registerStatus(registry, keySets);
  const stop = (): void => {
    keySets.stop();
    void fetcher.close();
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
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
