/** The contract's harness on the cluster that KUBECONFIG names. It changes nothing outside the contract's namespace. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { SourceHarness } from "../config-source-contract-fixture.ts";
import { CONTRACT_NAMESPACE, type Manifest } from "../contract-manifests-fixture.ts";
import { startKubernetesSource } from "./kubernetes-source.ts";

const CORE = [KINDS.namespaces, KINDS.services, KINDS.endpointSlices] as const;

/** Starts a source of that cluster with the given objects in it. */
export async function startClusterHarness(api: KubernetesApi, initial: readonly Manifest[]): Promise<SourceHarness> {
  const cluster = new ContractCluster(api);
  await cluster.removeAll();
  await cluster.apply(...initial);
  const stop = new AbortController();
  const source = await startKubernetesSource({
    api,
    clock: systemClock,
    random: Math.random,
    log: new RecordingLogger(),
    signal: stop.signal,
  });
  return {
    source,
    apply: (...objects) => cluster.apply(...objects),
    remove: (object) => cluster.remove(object),
    dispose: async () => {
      stop.abort();
      await cluster.removeAll();
    },
  };
}

class ContractCluster {
  readonly #api: KubernetesApi;
  readonly #kinds = new Map<string, ApiKind>();

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  /** Several at a time: a real server takes a few milliseconds for each. */
  async apply(...objects: readonly Manifest[]): Promise<void> {
    const waiting = [...objects];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await this.#applyOne(next);
    };
    await Promise.all(Array.from({ length: 8 }, work));
  }

  async remove(object: Manifest): Promise<void> {
    await this.#api.delete(await this.#kindOf(object), object.metadata);
  }

  /** Deletes the namespace, and waits until its objects are gone, too. */
  async removeAll(): Promise<void> {
    await this.#api.delete(KINDS.namespaces, { name: CONTRACT_NAMESPACE });
    while ((await this.#api.get(KINDS.namespaces, { name: CONTRACT_NAMESPACE })) !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Replaces as a whole, as the other harnesses do: a server-side apply would keep what other managers own. */
  async #applyOne(object: Manifest): Promise<void> {
    const kind = await this.#kindOf(object);
    const existing = await this.#api.get(kind, object.metadata);
    if (existing === undefined) await this.#api.create(kind, object);
    else await this.#api.replace(kind, withVersion(object, existing));
  }

  async #kindOf({ apiVersion, kind }: Manifest): Promise<ApiKind> {
    const name = `${apiVersion} ${kind}`;
    const known = this.#kinds.get(name) ?? (await this.#findKind(apiVersion, kind));
    this.#kinds.set(name, known);
    return known;
  }

  async #findKind(apiVersion: string, kind: string): Promise<ApiKind> {
    const core = CORE.find((candidate) => candidate.kind === kind);
    if (core !== undefined) return core;
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const found = (await this.#api.discover(group)).find(
      (candidate) => candidate.kind === kind && candidate.version === version,
    );
    if (found === undefined) throw new Error(`the cluster has no ${kind} in ${apiVersion}: install the mesh first`);
    return found;
  }
}

function withVersion(object: Manifest, { metadata }: KubernetesObject): KubernetesObject {
  const { resourceVersion } = metadata;
  return { ...object, metadata: { ...object.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } };
}
