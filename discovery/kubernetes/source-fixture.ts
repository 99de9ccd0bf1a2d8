/** For tests: the source on a simulated cluster, under a fake clock. */
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { decideServerMode } from "../../mesh/policy/authentication/server-mode.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { ResourceSet, SetChange } from "../../mesh/resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import type { ConfigSource, SourceStatus } from "../config-source.ts";
import type { Manifest } from "../contract-manifests-fixture.ts";
import { type KubernetesSourceOptions, startKubernetesSource } from "./kubernetes-source.ts";
import { MeshCluster } from "./mesh-cluster-fixture.ts";

export class SourceHarness {
  readonly clock = new FakeClock();
  readonly cluster: MeshCluster;
  readonly log = new RecordingLogger();
  readonly statuses: SourceStatus[] = [];
  readonly changes: SetChange[] = [];
  /** Runs before each call; what it throws is the call's error. */
  beforeCall: (call: InProcessCall) => void | Promise<void> = () => undefined;
  /** Whether the watches that open now send nothing. */
  isSilent = false;
  readonly api: InProcessApi;
  readonly #cleanup: Cleanup;

  constructor(cleanup: Cleanup, options: { readonly kinds?: readonly string[] } = {}) {
    this.#cleanup = cleanup;
    this.cluster = new MeshCluster({ now: () => this.clock.now(), ...options });
    this.api = new InProcessApi(this.cluster, {
      isSilent: () => this.isSilent,
      beforeCall: (call) => this.beforeCall(call),
    });
    for (const name of ["ns1", "istio-system"]) {
      this.cluster.put({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  }

  /** Starts; the promise resolves when the source does. */
  begin(options: Partial<KubernetesSourceOptions> & { readonly api?: KubernetesApi } = {}): Promise<ConfigSource> {
    const stop = new AbortController();
    this.#cleanup.add(() => stop.abort());
    const { api, clock, log } = this;
    return startKubernetesSource({
      api,
      clock,
      random: () => 0.5,
      log,
      onStatus: (status) => this.statuses.push(status),
      ...options,
      signal: stop.signal,
    });
  }

  /** Starts on an API that works. */
  async start(options: Partial<KubernetesSourceOptions> = {}): Promise<ConfigSource> {
    const starting = this.begin(options);
    await this.clock.advance(100);
    const source = await starting;
    source.subscribe((_, change) => this.changes.push(change));
    return source;
  }

  /** Lets the changes of the cluster arrive. */
  async settle(): Promise<void> {
    await settlePromises();
    await this.clock.advance(50);
  }
}

export function policyOf(mode: unknown, namespace = "ns1", name = "default"): Manifest {
  return {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name, namespace },
    spec: { mtls: { mode } },
  };
}

export function podOf(name: string, fields: { readonly status?: object; readonly spec?: object } = {}): Manifest {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "ns1", labels: { app: "web", "security.istio.io/tlsMode": "istio" } },
    spec: {
      serviceAccountName: "web",
      containers: [{ name: "app", image: "app:1", ports: [{ name: "web", containerPort: 8080 }] }],
      ...fields.spec,
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      podIPs: [{ ip: "10.0.0.1" }],
      conditions: [{ type: "Ready", status: "True" }],
      ...fields.status,
    },
  };
}

/** A cluster with one pod, `ns1/web-1`. */
export function withWorkload(cleanup: Cleanup, options: { readonly kinds?: readonly string[] } = {}): SourceHarness {
  const harness = new SourceHarness(cleanup, options);
  harness.cluster.put(podOf("web-1"));
  return harness;
}

/** Which clients that pod accepts. */
export function modeOf(set: ResourceSet): string {
  return decideServerMode({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/web-1") }).mode;
}

/** An error of a server that cannot be reached. */
export function away(): never {
  throw new KubernetesApiError("api_unreachable", "connection refused");
}
