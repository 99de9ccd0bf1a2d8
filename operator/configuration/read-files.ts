import type { ManifestFile } from "../../injector/manifests/manifest-files.ts";
import { DEFAULT_MESH_SETTINGS } from "../../mesh/mesh-settings.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { createResourceSet } from "../../mesh/resources/resource-set.ts";
import type { Configuration } from "./configuration.ts";
import { expectPods } from "./expected-pods.ts";

/** The configuration of manifest files, as if all of them were applied: later ones over earlier ones. */
export function configurationFromFiles(files: readonly ManifestFile[]): Configuration {
  const parsed = files.map(parseResources);
  // As on a cold start: an invalid policy is judged as STRICT.
  const resources = parsed.flatMap((file) => [...file.resources, ...file.standIns]);
  const expected = expectPods(files, createResourceSet(resources));
  return {
    origin: "files",
    set: createResourceSet([...resources, ...expected.pods]),
    problems: [...parsed.flatMap((file) => file.problems), ...expected.problems],
    settings: DEFAULT_MESH_SETTINGS,
    injections: expected.injections,
  };
}
