import { randomBytes } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { createConfigMapControlStore } from "../../ca-agent/control/config-map-control-store.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { createSecretStore } from "../../ca-agent/rotation/storage/secret-store.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { formatTraffic, startTraffic, type Traffic } from "../../proxy/counted-requests-fixture.ts";
import { startClientSidecar, startServingSidecar } from "../../proxy/sidecar-path-fixture.ts";
import type { WorkloadTls } from "../../proxy/tls/workload-tls.ts";
import { type ClusterPod, IdentityCluster, ROOT_NAMESPACE } from "../identity/cluster-identity-fixture.ts";
import { type StartedControlPlane, startWholeControlPlane } from "../whole-control-plane-fixture.ts";
import { startTestService } from "./test-service-fixture.ts";
import { TrustingSidecars } from "./trusting-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** By the clock of the mesh, which is ahead of the system's: by that one, which the requests' sidecars have, none ends. */
const LEAF_MS = 90_000;
/** A rotation needs 6 s of the processor, which a busy machine gives in a minute. */
const LIMIT_MS = 300_000;
const ROTATION = {
  limits: { publishMs: 12_000, clockErrorMs: 7500, settleMs: 4500, publishLimitMs: 300_000, retireLimitMs: 300_000 },
  electionTimes: { leaseMs: 15_000, renewDeadlineMs: 10_500, retryMs: 1500 },
  replicaTimes: { intervalMs: 3000, leaseMs: 15_000, lostMs: 15_000 },
};

interface Server {
  readonly pod: ClusterPod;
  readonly port: number;
  tls: WorkloadTls;
  kill: () => Promise<void>;
}

const SECRET = { namespace: ROOT_NAMESPACE, name: "istio-ca-secret" };

/** A mesh with real control planes and sidecars, whose certificates last seconds, and requests between the sidecars. */
class RotatingMesh {
  readonly cluster: IdentityCluster;
  readonly clock = startFastClock(cleanup, 60);
  readonly sidecars = new TrustingSidecars(cleanup, this.clock);
  readonly controlPlanes: StartedControlPlane[] = [];
  readonly #api: KubernetesApi;
  readonly #pods: ClusterPod[] = [];
  readonly #servers: Server[] = [];
  #traffic: Traffic | undefined;
  #read: { readonly version: string | undefined; readonly state: RotationState } | undefined;
  #started = 0;
  #port = 0;

  constructor(cluster: IdentityCluster) {
    this.cluster = cluster;
    this.#api = cluster.server.client();
  }

  static async start(controlPlanes: number): Promise<RotatingMesh> {
    const mesh = new RotatingMesh(await IdentityCluster.start(cleanup));
    const portsOf = () => mesh.controlPlanes.map(({ address }) => Number(address.split(":")[1]));
    mesh.#port = await startTestService(cleanup, portsOf);
    // All at once: none finds an authority, and each would create one.
    await Promise.all(Array.from({ length: controlPlanes }, () => mesh.addControlPlane()));
    const client = await mesh.addSidecar(await mesh.createPod("hello"));
    for (const name of ["world", "third"]) await mesh.#addServer(await mesh.createPod(name));
    await mesh.untilSettled();
    void mesh.#mountChanges();
    const servers = {
      ports: mesh.#servers.map(({ port }) => port),
      identities: mesh.#servers.map(({ pod }) => pod.identity),
    };
    mesh.#traffic = startTraffic(cleanup, [await startClientSidecar(cleanup, { source: client.source }, servers)], {
      pauseMs: 20,
    });
    return mesh;
  }

  /** Its proxy is killed and starts again with another key, as the kubelet does with a container. */
  async restartServer(): Promise<void> {
    const [server] = this.#servers;
    if (server === undefined) throw new TypeError("there is no server");
    await this.#traffic?.idle();
    await server.kill();
    this.sidecars.kill(server.tls);
    const { pod, port } = server;
    await pod.mount();
    this.#servers.splice(0, 1);
    await this.#addServer(pod, port);
  }

  /** No request has failed, and no handshake. */
  async expectNoFailure(): Promise<void> {
    const report = await this.#traffic?.end();
    if (report === undefined) throw new TypeError("there are no requests");
    process.stdout.write(`${formatTraffic(report)}\n`);
    expect(report.failures).toEqual([]);
    for (const count of report.requests) expect(count).toBeGreaterThan(10);
    expect([...this.sidecars.faults]).toEqual([]);
  }

  async #addServer(pod: ClusterPod, port?: number): Promise<void> {
    const tls = await this.addSidecar(pod);
    await this.sidecars.until(() => tls.source.current() !== undefined);
    await tls.firstBundle;
    const serving = await startServingSidecar(cleanup, { source: tls.source }, port);
    this.#servers.push({ pod, tls, ...serving });
  }

  async addControlPlane(): Promise<StartedControlPlane> {
    this.#started += 1;
    const options = {
      instance: `istiod-${this.#started}`,
      maxLifetimeMs: LEAF_MS,
      rotation: ROTATION,
      clock: this.clock,
    };
    const added = await startWholeControlPlane(this.cluster, cleanup, options);
    await added.ready;
    this.controlPlanes.push(added);
    return added;
  }

  /** With what is mounted now. */
  async createPod(name: string): Promise<ClusterPod> {
    const pod = this.cluster.createPod(name);
    await pod.mount();
    return pod;
  }

  /** From now on the kubelet mounts the roots in the pod when they change. */
  async addSidecar(pod: ClusterPod): Promise<WorkloadTls> {
    if (!this.#pods.includes(pod)) this.#pods.push(pod);
    const address = `localhost:${this.#port}`;
    const workload = { namespace: "ns1", name: pod.object.metadata.name };
    return await this.sidecars.start({ ...pod.files, address, identity: pod.identity, workload, lifetimeMs: LEAF_MS });
  }

  /** As `entente ca rotate-root`. */
  async ask(requestId: string): Promise<void> {
    const deps = { api: this.#api, namespace: ROOT_NAMESPACE, clock: this.clock, random: Math.random, randomBytes };
    const store = createConfigMapControlStore({ ...deps, signal: new AbortController().signal });
    await store.update((state) => ({
      ...state,
      rotation: { requestId, requestedAt: new Date(this.clock.now()).toISOString() },
    }));
  }

  async state(): Promise<RotationState> {
    const secret = this.cluster.server.cluster.find(KINDS.secrets, SECRET);
    const version = secret?.metadata.resourceVersion;
    // Reading certificates and keys takes time.
    if (this.#read === undefined || this.#read.version !== version)
      this.#read = { version, state: await this.#readState() };
    return this.#read.state;
  }

  async #readState(): Promise<RotationState> {
    const store = createSecretStore({ api: this.#api, namespace: ROOT_NAMESPACE });
    const stored = await store.read();
    if (stored.kind !== "root") throw new TypeError(`the stored authority is ${stored.kind}`);
    return stored.state;
  }

  async until(phase: RotationState["kind"]): Promise<RotationState> {
    await this.sidecars.until(async () => (await this.state()).kind === phase);
    await this.sidecars.shakeHands();
    return await this.state();
  }

  /** Every sidecar trusts the stored roots, and no other. */
  async untilSettled(): Promise<void> {
    const roots = trustedRoots(await this.state());
    await this.sidecars.until(() => this.sidecars.haveOnly(roots));
  }

  leader(): StartedControlPlane | undefined {
    return this.controlPlanes.find(({ log }) => log.find("this process leads now").length > 0);
  }

  /** As the kubelet. */
  async #mountChanges(): Promise<void> {
    let isOver = false;
    cleanup.add(() => {
      isOver = true;
    });
    for (let mounted = ""; !isOver; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const published = await this.cluster.publishedRoots("ns1");
      if (published !== mounted) await Promise.all(this.#pods.map((pod) => pod.mount()));
      mounted = published;
    }
  }
}

it(
  "the root is replaced under sidecars with short certificates, one of which is restarted in each phase, and no request fails",
  async () => {
    const mesh = await RotatingMesh.start(2);
    const before = fingerprintOf((await mesh.state()).current.certificatePem);
    const late = await mesh.createPod("late");
    await mesh.ask("first");
    await mesh.until("published");
    await mesh.restartServer();
    await mesh.until("signing");
    await mesh.restartServer();
    // Its kubelet is slow: what it has mounted is from before.
    await mesh.addSidecar(late);
    const after = await mesh.until("steady");
    await mesh.untilSettled();
    await mesh.expectNoFailure();
    expect(trustedRoots(after).map(fingerprintOf)).not.toContain(before);
    expect(after).toMatchObject({ requestId: "first", last: { outcome: "completed" }, dropped: [before] });
  },
  LIMIT_MS,
);

it(
  "three control planes start at once, the leader is killed in each phase, etcd is restored from before, and no request fails",
  async () => {
    const mesh = await RotatingMesh.start(3);
    await mesh.sidecars.until(() => mesh.leader() !== undefined);
    const backup = mesh.cluster.server.cluster.history.backup();
    await mesh.ask("first");
    for (const phase of ["published", "signing"] as const) {
      await mesh.until(phase);
      const leader = mesh.leader();
      expect(leader).toBeDefined();
      if (leader !== undefined) mesh.controlPlanes.splice(mesh.controlPlanes.indexOf(leader), 1);
      await leader?.kill();
      await mesh.sidecars.until(() => mesh.leader() !== undefined);
    }
    const { revision } = await mesh.state();
    await mesh.cluster.server.restore(backup);
    expect((await mesh.state()).kind).toBe("steady");
    await mesh.sidecars.until(async () => (await mesh.state()).revision >= revision);
    await mesh.until("steady");
    await mesh.untilSettled();
    await mesh.expectNoFailure();
  },
  LIMIT_MS,
);
