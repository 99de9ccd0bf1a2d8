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
}
