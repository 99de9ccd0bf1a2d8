import { type Manifest, recordOf } from "../read-manifests.ts";

/**
 * What stands in a cluster after all manifests were applied in their order: one that was met before keeps its place and
 * what the later one does not say, labels and annotations are merged, as the control plane reads the same files.
 */
export function applyManifests(manifests: readonly Manifest[]): readonly Manifest[] {
  const applied = new Map<string, Manifest>();
  for (const manifest of manifests) {
    const key = `${manifest.kind}/${manifest.namespace}/${manifest.name}`;
    const earlier = applied.get(key);
    applied.set(key, earlier === undefined ? manifest : applyManifest(earlier, manifest));
  }
  return [...applied.values()];
}

function applyManifest(earlier: Manifest, later: Manifest): Manifest {
  const before = recordOf(earlier.object["metadata"]);
  const after = recordOf(later.object["metadata"]);
  const labels = { ...earlier.labels, ...later.labels };
  const annotations = { ...recordOf(before["annotations"]), ...recordOf(after["annotations"]) };
  const metadata = { ...before, ...after, labels, annotations };
  return { ...later, labels, object: { ...earlier.object, ...later.object, metadata } };
}
