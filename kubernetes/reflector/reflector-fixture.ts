/** For tests: a reflector over a cluster in this process, under a fake clock. */
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import type { ApiKind, KubernetesObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { InProcessApi, type InProcessCall } from "../test-server/in-process-api.ts";
import { TestCluster } from "../test-server/test-cluster.ts";
import type { OpenWatch } from "../test-server/watch-feed.ts";
import { type ObjectChange, withoutManagedFields } from "./object-store.ts";
import { type Reflector, type ReflectorOptions, startReflector } from "./reflector.ts";
import type { ReflectorStatus } from "./reflector-status.ts";

export function podNamed(name: string, labels: Readonly<Record<string, string>> = {}): KubernetesObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", labels } };
}

/** What an API server does that refuses a call. */
export function refuse(status: number, reason: string): () => never {
  return () => {
    throw new KubernetesApiError("api_refused", `${status} ${reason}`, { status, reason });
  };
}

/** A reflector of pods and everything around it. */
export class ReflectorHarness {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now(), maxChanges: 1000 });
  readonly log = new RecordingLogger();
  /** `list pods`, `watch pods`, and `check pods` for the list of one object before a watch is resumed. */
  readonly calls: string[] = [];
  readonly changes: ObjectChange<KubernetesObject>[] = [];
  readonly statuses: ReflectorStatus[] = [];
  /** Runs before each call; what it throws is the call's error. */
  beforeCall: (call: InProcessCall) => void = () => undefined;
  /** Whether the watches that open now send nothing. */
  isSilent = false;
  readonly api = new InProcessApi(this.cluster, {
    isSilent: () => this.isSilent,
    beforeCall: (call) => {
      this.calls.push(`${call.limit === 1 ? "check" : call.verb} ${call.resource}`);
      this.beforeCall(call);
    },
  });
  readonly #cleanup: Cleanup;

  constructor(cleanup: Cleanup) {
    this.#cleanup = cleanup;
  }

  /** With pods of these names in the cluster. */
  static with(cleanup: Cleanup, pods: readonly string[]): ReflectorHarness {
    const harness = new ReflectorHarness(cleanup);
    for (const name of pods) harness.cluster.create(KINDS.pods, podNamed(name));
    return harness;
  }

  /** Starts, and lets what needs no time happen. */
  async start(
    kind: ApiKind = KINDS.pods,
    options: Partial<ReflectorOptions<KubernetesObject>> = {},
  ): Promise<Reflector<KubernetesObject>> {
    const stop = new AbortController();
    this.#cleanup.add(() => stop.abort());
    const { api, clock, log } = this;
    const reflector = startReflector(
      { api, clock, random: () => 0.5, log },
      {
        selection: { kind },
        transform: withoutManagedFields,
        onChanges: (changes) => this.changes.push(...changes),
        onStatus: (status) => this.statuses.push(status),
        batchMs: 10,
        ...options,
        signal: stop.signal,
      },
    );
    await settlePromises();
    return reflector;
  }

  /** The changes since the last call, as `+key` and `-key`, after the batch time. */
  async takeChanges(): Promise<readonly string[]> {
    await this.clock.advance(10);
    return this.changes.splice(0).map(({ kind, key }) => `${kind === "upsert" ? "+" : "-"}${key}`);
  }

  takeCalls(): readonly string[] {
    return this.calls.splice(0);
  }

  /** The one open watch. */
  watch(): OpenWatch {
    const [open] = this.api.watches;
    if (open === undefined) throw new TypeError("no watch is open");
    return open;
  }
}
