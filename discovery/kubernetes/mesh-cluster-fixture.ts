/** A simulated cluster with the mesh's CRDs. For tests only. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { TestCluster, type TestClusterOptions } from "../../kubernetes/test-server/test-cluster.ts";
import type { Manifest } from "../contract-manifests-fixture.ts";
import { MESH_KINDS, PLURALS } from "./mesh-kinds.ts";

/** A CRD that stores anything. */
export function definitionOf(kind: string, versions?: readonly string[]): KubernetesObject {
  const description = MESH_KINDS.find((candidate) => candidate.kind === kind);
  if (description === undefined) throw new Error(`${kind} is no kind of the mesh`);
  const plural = PLURALS.get(kind) ?? "";
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${description.group}` },
    spec: {
      group: description.group,
      names: { kind, plural, singular: kind.toLowerCase() },
      scope: description.clusterWide ? "Cluster" : "Namespaced",
      versions: (versions ?? description.versions).map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      })),
    },
  };
}

/** The cluster's kind of a manifest. */
export function kindOf(cluster: TestCluster, { apiVersion, kind }: Pick<Manifest, "apiVersion" | "kind">): ApiKind {
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  const found = cluster.kinds.find(
    (candidate) => candidate.kind === kind && candidate.group === group && candidate.version === version,
  );
  if (found === undefined) throw new Error(`the cluster has no ${kind} in ${apiVersion}`);
  return found;
}

/** Adds CRDs of the mesh. */
export function addDefinitions(cluster: TestCluster, kinds = MESH_KINDS.map(({ kind }): string => kind)): void {
  for (const kind of kinds) cluster.create(KINDS.customResourceDefinitions, definitionOf(kind));
}

/** Adds or replaces objects, with their status. */
export function putObjects(cluster: TestCluster, ...objects: readonly Manifest[]): void {
  for (const object of objects) {
    const kind = kindOf(cluster, object);
    if (has(cluster, kind, object)) cluster.replace(kind, object);
    else cluster.create(kind, object);
    if (object["status"] !== undefined) cluster.replace(kind, object, { subresource: "status" });
  }
}

export function removeObject(cluster: TestCluster, object: Manifest): void {
  cluster.delete(kindOf(cluster, object), object.metadata);
}

function has(cluster: TestCluster, kind: ApiKind, { metadata }: Manifest): boolean {
  try {
    cluster.get(kind, metadata);
    return true;
  } catch {
    return false;
  }
}

export class MeshCluster extends TestCluster {
  constructor(options: TestClusterOptions & { readonly kinds?: readonly string[] } = {}) {
    super(options);
    addDefinitions(this, options.kinds === undefined ? undefined : [...options.kinds]);
  }

  put(...objects: readonly Manifest[]): void {
    putObjects(this, ...objects);
  }

  remove(object: Manifest): void {
    removeObject(this, object);
  }
}
