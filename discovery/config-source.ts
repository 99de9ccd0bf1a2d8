import type { ConfigProblem } from "../mesh/resources/config-problem.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";

/** A source of the mesh's configuration. */
export interface ConfigSource {
  /** The current configuration; the same object until something changes. */
  current(): ResourceSet;
  /** Calls the listener with each later configuration. Returns the function that unsubscribes. */
  subscribe(listener: (set: ResourceSet) => void): () => void;
  /** The problems of the configuration as it was last read. */
  problems(): readonly ConfigProblem[];
}
