import type { ConfigProblem } from "../mesh/resources/config-problem.ts";
import type { ResourceSet, SetChange } from "../mesh/resources/resource-set.ts";

/** Receives each new state of the configuration and how it differs from the one before. */
export type ConfigListener = (set: ResourceSet, change: SetChange) => void;

/** A source of the mesh's configuration. */
export interface ConfigSource {
  /** The current configuration; the same object until something changes. */
  current(): ResourceSet;
  /** Calls the listener with each later configuration, in order. Returns the function that unsubscribes. */
  subscribe(listener: ConfigListener): () => void;
  /** The problems of the configuration as it was last read. */
  problems(): readonly ConfigProblem[];
  /** How well the source knows the present. */
  status(): SourceStatus;
}

/** Times are of the wall clock, in milliseconds. */
export type SourceStatus =
  /** Not everything has been read once: there is no configuration yet. */
  | { readonly kind: "starting"; readonly isFailing: boolean; readonly reasons: readonly string[] }
  | { readonly kind: "current" }
  /** The last state stays in force; parts of it may have changed since. */
  | { readonly kind: "stale"; readonly sinceMs: number; readonly reasons: readonly string[] };

/** One line for people and probes. */
export function formatSourceStatus(status: SourceStatus): string {
  switch (status.kind) {
    case "starting":
      return `the configuration has not been read yet: ${shorten(status.reasons)}`;
    case "current":
      return "the configuration is current";
    case "stale": {
      const since = new Date(status.sinceMs).toISOString().slice(11, 19);
      return `serving the last state of ${since} UTC: ${shorten(status.reasons)}`;
    }
  }
}

const MAX_REASONS = 3;

function shorten(reasons: readonly string[]): string {
  const rest = reasons.length - MAX_REASONS;
  return [...reasons.slice(0, MAX_REASONS), ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ");
}
