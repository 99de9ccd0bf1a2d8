import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";

/** What the reports are made of, from files or from a cluster. */
export interface Configuration {
  /** `files`: pods that the manifests would create stand in for running ones. */
  readonly origin: "files" | "cluster";
  readonly set: ResourceSet;
  /** Of reading the resources. */
  readonly problems: readonly ConfigProblem[];
  readonly settings: MeshSettings;
  /** What injection decides for each pod, by `NAMESPACE/NAME`. */
  readonly injections: ReadonlyMap<string, PodInjection>;
}

/** What injection decides for a pod. */
export type PodInjection =
  | { readonly kind: "injected"; readonly warnings: readonly string[] }
  | {
      readonly kind: "skipped";
      readonly reason: string;
      readonly message: string;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };
