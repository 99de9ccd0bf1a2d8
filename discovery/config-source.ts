import type { ConfigProblem } from "../mesh/resources/config-problem.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";

/** Where the mesh's configuration comes from. */
export interface ConfigSource {
  /** The configuration in force; the same object until something changes. */
  current(): ResourceSet;
  /** Calls with each later configuration. Returns how to stop. */
  subscribe(listener: (set: ResourceSet) => void): () => void;
  /** What is wrong with the configuration as it was last read. */
  problems(): readonly ConfigProblem[];
}
