import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, DiscoveredKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { NOT_SERVED } from "../../mesh/resources/parsing/classify-kind.ts";
import { RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";

/** Kubernetes' own kinds that reports need. */
export const OWN_KINDS: readonly ApiKind[] = [KINDS.namespaces, KINDS.pods, KINDS.services, KINDS.endpointSlices];

const MESH_GROUPS = [...new Set(RESOURCE_KINDS.map(({ group }) => group))].filter((group) =>
  group.endsWith("istio.io"),
);

/**
 * The mesh's kinds that the cluster serves, each at the newest version that Entente reads; also those that it does not
 * support, whose objects are reported.
 */
export async function discoverMeshKinds(api: KubernetesApi, signal: AbortSignal): Promise<readonly ApiKind[]> {
  const groups = await Promise.all(MESH_GROUPS.map((group) => api.discover(group, { signal })));
  return groups.flatMap((found) => {
    const listable = found.filter(({ verbs }) => verbs.includes("list"));
    const byKind = Map.groupBy(listable, ({ kind }) => kind);
    return [...byKind.values()].flatMap(chooseVersion);
  });
}

function chooseVersion(served: readonly DiscoveredKind[]): readonly ApiKind[] {
  const [first] = served;
  if (first === undefined) return [];
  const known = RESOURCE_KINDS.find(({ group, kind }) => group === first.group && kind === first.kind);
  if (known === undefined) return NOT_SERVED.includes(first.kind) ? [first] : [];
  const readable = known.versions.flatMap((version) => served.filter((candidate) => candidate.version === version));
  // None that Entente reads: the objects are listed as they are, and each is reported.
  return [readable[0] ?? first];
}
