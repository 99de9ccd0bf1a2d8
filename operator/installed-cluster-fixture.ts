/** For tests: a cluster in this process, with the objects of an installation. */
import { renderInstallation } from "../install/render-installation.ts";
import { parseInstallValues } from "../install/values/parse-values.ts";
import { apiVersionOf } from "../kubernetes/kinds.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import { InProcessApi } from "../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../kubernetes/test-server/test-cluster.ts";

/** A cluster to put objects into. */
export class ClusterHarness {
  readonly cluster: TestCluster;
  readonly api: InProcessApi;

  /** @param cluster such as a test server's */
  constructor(cluster = new TestCluster()) {
    this.cluster = cluster;
    this.api = new InProcessApi(cluster);
  }

  /** Creates or replaces objects of any kind; namespaces first. */
  put(...objects: readonly object[]): this {
    for (const object of objects) this.#putOne(object as KubernetesObject);
    return this;
  }

  /** Puts manifests that a fixture wrote as JSON. */
  putTexts(...texts: readonly string[]): this {
    return this.put(...texts.map((text): object => JSON.parse(text)));
  }

  #putOne(object: KubernetesObject): void {
    const kind = this.cluster.kinds.find(
      (served) => served.kind === object.kind && apiVersionOf(served) === object.apiVersion,
    );
    if (kind === undefined) throw new Error(`the cluster has no ${object.apiVersion} ${object.kind}`);
    const { namespace } = object.metadata;
    if (namespace !== undefined && kind.isNamespaced) this.#ensureNamespace(namespace);
    this.cluster.apply(kind, object, { fieldManager: "test", force: true });
    if (object["status"] !== undefined && kind.hasStatus) {
      this.cluster.apply(kind, object, { fieldManager: "test", force: true, subresource: "status" });
    }
  }

  #ensureNamespace(name: string): void {
    const kind = { group: "", version: "v1", plural: "namespaces", kind: "Namespace", isNamespaced: false };
    const exists = this.cluster.list(kind, {}).items.some(({ metadata }) => metadata.name === name);
    if (!exists) this.put({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
}

/** A cluster after `entente install`, before anything runs. */
export function createInstalledCluster(cluster = new TestCluster()): ClusterHarness {
  return new ClusterHarness(cluster).put(...renderInstallation(parseInstallValues()).flatMap(({ objects }) => objects));
}
