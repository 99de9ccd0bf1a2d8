import { Counter, type Registry } from "prom-client";
import {
  createDocumentFetcher,
  type DocumentFetcher,
  type LocalServers,
} from "../discovery/documents/fetch-document.ts";
import type { Clock, Logger, Random } from "../mesh/runtime.ts";

/** Of all that the control plane fetches from servers that the configuration names. */
export interface FetchingOptions {
  /** Whether servers may be on this machine: only if the configuration is the machine's own files. */
  readonly allowsLocal: boolean;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Stops it. */
  readonly signal: AbortSignal;
}

export interface DocumentFetching {
  readonly fetch: DocumentFetcher["fetch"];
  /** Counts an attempt. */
  readonly onFetched: (result: string) => void;
  /** Calls `stop` and closes the fetcher when the signal aborts. */
  stopWith(stop: () => void): void;
}

/** A fetcher of documents, with the counter of its attempts by result. */
export function startDocumentFetching(
  counter: { readonly name: string; readonly help: string },
  localServers: LocalServers,
  { registry, signal }: Pick<FetchingOptions, "registry" | "signal">,
): DocumentFetching {
  const fetcher = createDocumentFetcher(localServers);
  const fetches = new Counter({ ...counter, labelNames: ["result"], registers: [registry] });
  return {
    fetch: fetcher.fetch,
    onFetched: (result) => fetches.inc({ result }),
    stopWith: (stop) => {
      const stopAll = (): void => {
        stop();
        void fetcher.close();
      };
      signal.addEventListener("abort", stopAll, { once: true });
      if (signal.aborted) stopAll();
    },
  };
}
