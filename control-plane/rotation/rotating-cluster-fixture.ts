/** For tests: control planes that share a cluster and rotate its root, in this process and under a fake clock. */
import { randomBytes } from "node:crypto";
import { Registry } from "prom-client";
import type { LiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { startSecretAuthority } from "../../ca-agent/authority/secrets/start-secret-authority.ts";
import type { ControlState } from "../../ca-agent/control/control-state.ts";
import { fingerprintOf, type RotationState } from "../../ca-agent/rotation/rotation-state.ts";
import { createSecretStore } from "../../ca-agent/rotation/storage/secret-store.ts";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { type Rotation, startRotation } from "./start-rotation.ts";

export const NAMESPACE = "istio-system";
/** All times are short: each second of them is a round of work for every control plane. */
export const LEAF_MS = 10_000;
export const SETTLE_MS = 2000;
const STEP_MS = 1000;
const LIMITS = {
  ...{ publishMs: 10_000, publishLimitMs: 120_000, clockErrorMs: 1000, settleMs: SETTLE_MS },
  ...{ retireLimitMs: 240_000, retryMs: 60_000 },
};
const REPLICA_TIMES = { intervalMs: 1000, leaseMs: 3000, lostMs: 10_000 };
const ELECTION_TIMES = { leaseMs: 3000, renewDeadlineMs: 2000, retryMs: 500 };
const TRUST_DOMAIN = parseTrustDomain("cluster.local");

/** A sidecar that trusts what its control plane distributes, and renews its certificate there. */
interface Sidecar {
  rootFingerprint: string;
  untilMs: number;
}

export class RotatingReplica {
  readonly log = new RecordingLogger();
  readonly registry = new Registry();
  readonly instance: string;
  network: "up" | "away" = "up";
  /** How far its clock is ahead of the API server's. */
  clockErrorMs = 0;
  /** Runs before each of its calls; what it throws is the call's error. */
  beforeCall: (call: InProcessCall) => void = () => undefined;
  readonly sidecars: Sidecar[] = [];
  readonly #cluster: RotatingCluster;
  readonly #stop = new AbortController();
  #parts: { readonly authority: LiveAuthority; readonly rotation: Rotation } | undefined;

  constructor(cluster: RotatingCluster, instance: string) {
    this.#cluster = cluster;
    this.instance = instance;
  }

  async start(): Promise<void> {
    const { clock, cluster, control } = this.#cluster;
    const api = new InProcessApi(cluster, { beforeCall: (call) => this.#check(call) });
    const { log, registry, instance } = this;
    const shared = { api, clock, log, random: () => 0.5, signal: this.#stop.signal, trustDomain: TRUST_DOMAIN };
    const { authority } = await startSecretAuthority({ ...shared, namespace: NAMESPACE, randomBytes });
    const rotation = startRotation({
      ...{ ...shared, authority, control, registry, proxies: () => this.#proxies() },
      authorityStore: createSecretStore({ api, namespace: NAMESPACE }),
      cluster: { api, namespace: NAMESPACE, instance },
      compareClock: async () => -this.clockErrorMs,
      ...{
        maxLifetimeMs: LEAF_MS,
        tuning: { limits: LIMITS, replicaTimes: REPLICA_TIMES, electionTimes: ELECTION_TIMES },
      },
    });
    this.#parts = { authority, rotation };
    for (let count = 0; count < 2; count += 1) this.sidecars.push(this.#renew());
  }

  get authority(): LiveAuthority {
    if (this.#parts === undefined) throw new TypeError("it was not started");
    return this.#parts.authority;
  }

  get rotation(): Rotation {
    if (this.#parts === undefined) throw new TypeError("it was not started");
    return this.#parts.rotation;
  }

  live(): void {
    for (const [index, { untilMs }] of this.sidecars.entries()) {
      if (untilMs - this.#cluster.clock.now() < LEAF_MS / 2) this.sidecars[index] = this.#renew();
    }
  }

  /** As SIGTERM. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the process stops"));
    await settlePromises();
  }

  /** As SIGKILL: nothing that it does has an effect any more. */
  async kill(): Promise<void> {
    this.network = "away";
    await this.stop();
  }

  #check(call: InProcessCall): void {
    if (this.network === "away") throw new KubernetesApiError("api_unreachable", "connection refused");
    this.beforeCall(call);
  }

  #renew(): Sidecar {
    return {
      rootFingerprint: fingerprintOf(this.authority.signingRoot()),
      untilMs: this.#cluster.clock.now() + LEAF_MS,
    };
  }

  #proxies(): readonly ProxyTrust[] {
    const trustedRoots = this.authority.roots().map(fingerprintOf);
    return this.sidecars.map(({ rootFingerprint: certificateRoot }, index) => ({
      ...{ identity: "spiffe://cluster.local/ns/ns1/sa/a", address: `10.0.0.${index}` },
      ...{ certificateRoot, trustedRoots, rejectedRoot: null },
    }));
  }
}

export class RotatingCluster {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  readonly replicas: RotatingReplica[] = [];
  /** Why sidecars did not trust each other, at any moment. */
  readonly faults = new Set<string>();
  /** The phases that the Secret has been in. */
  readonly phases: string[] = ["steady"];
  #request: ControlState["rotation"];
  #revocations: ControlState["revocations"] = [];
  #read: { readonly version: string | undefined; readonly state: RotationState } | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #cleanup: Cleanup;

  constructor(cleanup: Cleanup) {
    this.#cleanup = cleanup;
    this.cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  }

  readonly control = {
    current: (): ControlState => ({ revocations: this.#revocations, rotation: this.#request }),
    subscribe: (listener: () => void) => {
      this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    },
    fault: () => undefined,
  };

  async start(instance: string): Promise<RotatingReplica> {
    const replica = new RotatingReplica(this, instance);
    this.#cleanup.add(() => replica.stop());
    await replica.start();
    this.replicas.push(replica);
    return replica;
  }

  /** The replica that takes the steps; waits until there is one. */
  async leader(): Promise<RotatingReplica> {
    for (;;) {
      const leading = this.replicas.filter(({ log }) => isLeading(log));
      if (leading.length > 1) throw new Error("two control planes lead");
      if (leading[0] !== undefined) return leading[0];
      await this.pass(STEP_MS);
    }
  }

  /** It is gone, and its sidecars connect to another one. */
  async kill(replica: RotatingReplica): Promise<void> {
    this.replicas.splice(this.replicas.indexOf(replica), 1);
    await replica.kill();
    this.replicas[0]?.sidecars.push(...replica.sidecars);
  }

  ask(requestId: string, kind: "rotate" | "roll_back" = "rotate"): void {
    this.#request = { kind, requestId, requestedAt: new Date(this.clock.now()).toISOString() };
    for (const listener of this.#listeners) listener();
  }

  /** A certificate, by its serial number. */
  revoke(serialNumber: string): void {
    const revokedAt = new Date(this.clock.now()).toISOString();
    this.#revocations = [...this.#revocations, { what: { kind: "serial", serialNumber }, revokedAt }];
    for (const listener of this.#listeners) listener();
  }

  /** What was read before: after a restored backup one version can name two states. */
  forget(): void {
    this.#read = undefined;
  }

  async state(): Promise<RotationState> {
    const secret = this.cluster.find(KINDS.secrets, { namespace: NAMESPACE, name: "istio-ca-secret" });
    const version = secret?.metadata.resourceVersion;
    // Reading certificates and keys takes time.
    const known = this.#read;
    if (known !== undefined && known.version === version) return known.state;
    const state = await this.#readState();
    this.#read = { version, state };
    return state;
  }

  async #readState(): Promise<RotationState> {
    const stored = await createSecretStore({ api: new InProcessApi(this.cluster), namespace: NAMESPACE }).read();
    if (stored.kind !== "root") throw new TypeError(`the stored authority is ${stored.kind}`);
    return stored.state;
  }

  async until(phase: RotationState["kind"], limitMs = 900_000): Promise<void> {
    for (let passed = 0; (await this.state()).kind !== phase; passed += STEP_MS) {
      if (passed > limitMs) throw new Error(`the phase ${phase} does not come: ${this.phases.join(", ")}`);
      await this.pass(STEP_MS);
    }
    await this.#note();
  }

  /** Lets time pass, and all work be done that it has caused: keys and signatures are made outside of it. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await this.clock.advance(Math.min(STEP_MS, ms - passed));
      await new Promise((resolve) => setTimeout(resolve, 2));
      await settlePromises();
      for (const replica of this.replicas) replica.live();
      this.#checkTrust();
      await this.#note();
    }
  }

  async #note(): Promise<void> {
    const { kind } = await this.state();
    if (this.phases.at(-1) !== kind) this.phases.push(kind);
  }

  #checkTrust(): void {
    const held = this.replicas.flatMap(({ sidecars }) => sidecars);
    for (const { authority, instance } of this.replicas) {
      const trusted = new Set(authority.roots().map(fingerprintOf));
      if (!held.every(({ rootFingerprint }) => trusted.has(rootFingerprint)))
        this.faults.add(`sidecars of ${instance} do not trust all others`);
    }
  }
}

function isLeading(log: RecordingLogger): boolean {
  const last = log.records.findLast(
    ({ message }) => message.includes("leads now") || message.includes("leads no more"),
  );
  return last?.message.includes("leads now") ?? false;
}

export async function startTwo(cleanup: Cleanup) {
  const cluster = new RotatingCluster(cleanup);
  const [first, second] = [await cluster.start("istiod-1"), await cluster.start("istiod-2")];
  return { cluster, first, second, leader: await cluster.leader() };
}
