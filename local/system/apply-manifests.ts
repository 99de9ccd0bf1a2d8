import { type Manifest, recordOf } from "../read-manifests.ts";

/**
 * The objects of a cluster after all manifests were applied in order. An object that occurs again keeps its position
 * and the fields that the later one lacks; labels and annotations are merged, as in the control plane.
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
