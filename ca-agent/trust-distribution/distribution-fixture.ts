import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { startRootDistribution } from "./distribute-roots.ts";
import { ROOT_CONFIG_MAP, readPublishedRoots } from "./root-config-map.ts";

/** Control planes that share a cluster and its roots. */
export class DistributionHarness {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  readonly log = new RecordingLogger();
  readonly applied: number[] = [];
  beforeCall: (call: InProcessCall) => void = () => undefined;
  #roots: readonly string[] = ["old\n"];
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();

  async start(): Promise<void> {
    const api = new InProcessApi(this.cluster, {
      beforeCall: (call) => {
        if (call.verb === "apply") this.applied.push(this.clock.monotonicMs());
        this.beforeCall(call);
      },
    });
    startRootDistribution({
      api,
      ownerNamespace: "mesh",
      roots: {
        current: () => this.#roots,
        subscribe: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      ...{ clock: this.clock, random: () => 0.5, log: this.log, limitLog: createLogLimiter(this.clock, 20) },
      signal: this.#stop.signal,
    });
    await this.clock.advance(1000);
  }

  stop(): void {
    this.#stop.abort();
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  change(...roots: readonly string[]): void {
    this.#roots = roots;
    for (const listener of this.#listeners) listener();
  }

  addNamespace(name: string, more: Readonly<Record<string, unknown>> = {}): void {
    this.cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name }, ...more });
  }

  find(namespace: string): KubernetesObject | undefined {
    const { items } = this.cluster.list(KINDS.configMaps, { namespace });
    return items.find(({ metadata }) => metadata.name === ROOT_CONFIG_MAP);
  }

  rootsIn(namespace: string): string | undefined {
    const found = this.find(namespace);
    return found && readPublishedRoots(found);
  }

  write(namespace: string, data: Readonly<Record<string, string>>, fieldManager = "another"): void {
    const metadata = { name: ROOT_CONFIG_MAP, namespace };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    this.cluster.apply(KINDS.configMaps, object, { fieldManager, force: true });
  }

  remove(namespace: string): void {
    this.cluster.delete(KINDS.configMaps, { namespace, name: ROOT_CONFIG_MAP });
  }
}
