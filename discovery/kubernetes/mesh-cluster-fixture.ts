/** A simulated cluster with the mesh's CRDs. For tests only. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { TestCluster, type TestClusterOptions } from "../../kubernetes/test-server/test-cluster.ts";
import type { Manifest } from "../config-source-contract-fixture.ts";
import { MESH_KINDS } from "./mesh-kinds.ts";

const PLURALS: Readonly<Record<string, string>> = {
  PeerAuthentication: "peerauthentications",
  DestinationRule: "destinationrules",
  VirtualService: "virtualservices",
  Gateway: "gateways",
  Policy: "policies",
  MeshPolicy: "meshpolicies",
};

/** A CRD that stores anything. */
export function definitionOf(kind: string, versions?: readonly string[]): KubernetesObject {
  const description = MESH_KINDS.find((candidate) => candidate.kind === kind);
  if (description === undefined) throw new Error(`${kind} is no kind of the mesh`);
  const plural = PLURALS[kind] ?? "";
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

export class MeshCluster extends TestCluster {
  constructor(options: TestClusterOptions & { readonly kinds?: readonly string[] } = {}) {
    super(options);
    const kinds = options.kinds ?? MESH_KINDS.map(({ kind }) => kind);
    for (const kind of kinds) this.create(KINDS.customResourceDefinitions, definitionOf(kind));
  }

  /** Adds or replaces objects, with their status. */
  put(...objects: readonly Manifest[]): void {
    for (const object of objects) this.#putOne(object);
  }

  remove(...objects: readonly Manifest[]): void {
    for (const object of objects) this.delete(kindOf(this, object), object.metadata);
  }

  #putOne(object: Manifest): void {
    const kind = kindOf(this, object);
    const exists = this.list(kind, {}).items.some(
      ({ metadata }) => metadata.name === object.metadata.name && metadata.namespace === object.metadata.namespace,
    );
    if (exists) this.replace(kind, object);
    else this.create(kind, object);
    if (object["status"] !== undefined) this.replace(kind, object, { subresource: "status" });
  }
}
