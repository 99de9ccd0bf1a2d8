import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_INJECTION_SETTINGS, type InjectionSettings } from "../injector/admission/injection-settings.ts";
import { parseProxyConfigText } from "../injector/admission/mesh-config/proxy-config.ts";
import { startClusterInjector } from "../injector/cluster/start-cluster-injector.ts";
import type { WebhookServer } from "../injector/serving/webhook-server.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import type { KubernetesClient } from "../kubernetes/kubernetes-client.ts";
import { startTestApiServer, type TestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { renderInstallation } from "./render-installation.ts";
import { parseInstallValues } from "./values/parse-values.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const NAMESPACE = "istio-system";
const SERVICE = "istio-sidecar-injector";
const PEER_AUTHENTICATIONS: ApiKind = {
  group: "security.istio.io",
  version: "v1",
  plural: "peerauthentications",
  kind: "PeerAuthentication",
  isNamespaced: true,
};

let server: TestApiServer;
let admin: KubernetesClient;
/** The Service's endpoints, which are called in turn. */
const ports: number[] = [];
let calls = 0;

beforeEach(async () => {
  ports.length = 0;
  server = await startTestApiServer(cleanup, {
    authorization: "rbac",
    resolveService: (namespace, name) => {
      const isOurs = namespace === NAMESPACE && name === SERVICE && ports.length > 0;
      calls += 1;
      return isOurs ? `127.0.0.1:${ports[calls % ports.length]}` : undefined;
    },
  });
  admin = server.client();
  const parts = renderInstallation(parseInstallValues());
  for (const object of parts.flatMap(({ objects }) => objects)) await apply(object);
  await admin.create(KINDS.namespaces, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "shop", labels: { "istio-injection": "enabled" } },
  });
  await admin.create(KINDS.nodes, {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "one" },
    status: { nodeInfo: { kubeletVersion: "v1.34.3", operatingSystem: "linux" } },
  });
});

async function apply(object: KubernetesObject): Promise<void> {
  const [version = "", group = ""] = object.apiVersion.split("/").reverse();
  const kind = server.cluster.kinds.find(
    (known) => known.group === group && known.version === version && known.kind === object.kind,
  );
  if (kind === undefined) throw new Error(`the server has no ${object.kind}`);
  await admin.apply(kind, object, { force: true });
}

/** A replica of the shipped injector with the rights that an installation gives it, and no others. */
async function startReplica(settings: Partial<InjectionSettings> = {}): Promise<WebhookServer> {
  const token = server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: SERVICE });
  const controller = new AbortController();
  const log = new RecordingLogger();
  const all = { ...DEFAULT_INJECTION_SETTINGS, ...settings };
  const replica = await startClusterInjector(
    {
      api: server.client(token),
      settings: { current: () => all, subscribe: () => () => undefined, stop: () => undefined },
      nativeSidecars: "auto",
      instance: "injector-1",
      host: "127.0.0.1",
      port: 0,
    },
    // Where this process stands still, what has arrived meanwhile is served before a replica's time is over.
    { clock: startFastClock(cleanup, 1), random: Math.random, randomBytes, log, signal: controller.signal },
  );
  cleanup.add(async () => {
    controller.abort();
    await replica.stop(0);
  });
  await expect.poll(() => isReady(replica.port)).toBe(true);
  ports.push(replica.port);
  return replica;
}

/** As the kubelet asks, which does not verify the certificate. */
async function isReady(port: number): Promise<boolean> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const { statusCode, body } = await request(`https://127.0.0.1:${port}/healthz/ready`, { dispatcher });
  await body.dump();
  await dispatcher.close();
  return statusCode === 200;
}

const pod = (name: string, annotations: Readonly<Record<string, string>> = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", annotations },
  spec: { containers: [{ name: "web", image: "web:1" }] },
});

const initContainersOf = ({ spec }: KubernetesObject): unknown =>
  Object(spec).initContainers?.map(({ name }: { readonly name: string }) => name);

describe("the injector with the rights of an installation", () => {
  it("injects pods from the first moment at which it is ready, natively where the nodes can", async () => {
    await expect(admin.create(KINDS.pods, pod("early"))).rejects.toThrow("webhook");
    await startReplica();
    expect(initContainersOf(await admin.create(KINDS.pods, pod("web")))).toEqual(["istio-init", "istio-proxy"]);
    expect(server.denied).toEqual([]);
  });

  it("refuses an invalid resource to the user who applies it, and a valid one is stored", async () => {
    await startReplica();
    const policy = (mode: string) => ({
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: { name: "default", namespace: "shop" },
      spec: { mtls: { mode } },
    });
    await expect(admin.create(PEER_AUTHENTICATIONS, policy("STRICKT"))).rejects.toThrow("spec.mtls.mode");
    await admin.create(PEER_AUTHENTICATIONS, policy("STRICT"));
    await expect(admin.replace(PEER_AUTHENTICATIONS, policy("STRICKT"))).rejects.toThrow("spec.mtls.mode");
    await admin.delete(PEER_AUTHENTICATIONS, { namespace: "shop", name: "default" });
    expect(server.denied).toEqual([]);
  });

  it("has the right to everything that it tries, Events on a ReplicaSet and its Deployment included", async () => {
    await startReplica();
    const deployment = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "d-1", controller: true };
    const { metadata } = await admin.create(KINDS.replicaSets, {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { name: "web-1", namespace: "shop", ownerReferences: [deployment] },
    });
    const { uid = "" } = metadata;
    const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-1", uid, controller: true };
    const refused = pod("web-1-x", { "sidecar.istio.io/proxyCPU": "lots" });
    const owned = { ...refused, metadata: { ...refused.metadata, ownerReferences: [owner] } };
    await expect(admin.create(KINDS.pods, owned)).rejects.toThrow('"lots" is not a quantity');
    const regarded = async (): Promise<unknown> =>
      (await admin.list(KINDS.events, { namespace: "shop" })).items.map(({ regarding }) => Object(regarding).kind);
    await expect.poll(regarded).toEqual(["ReplicaSet", "Deployment"]);
    expect(server.denied).toEqual([]);
  });

  it("goes on injecting after the API server was away", async () => {
    await startReplica();
    await server.away();
    await server.back();
    expect(initContainersOf(await server.client().create(KINDS.pods, pod("web")))).toEqual([
      "istio-init",
      "istio-proxy",
    ]);
  });

  it("is the same whichever of two replicas is called", async () => {
    const [one, two] = await Promise.all([startReplica(), startReplica()]);
    for (const [index, { port }] of [one, two].entries()) {
      ports.splice(0, ports.length, port);
      expect(initContainersOf(await admin.create(KINDS.pods, pod(`web-${index}`)))).toContain("istio-proxy");
    }
    expect((await admin.list(KINDS.secrets, { namespace: NAMESPACE })).items).toHaveLength(1);
  });

  it("fails no pod while its replicas are replaced one by one, though endpoints change late", async () => {
    const old = [await startReplica(), await startReplica()];
    const state = { isOver: false, created: 0 };
    const createPods = async (worker: number): Promise<void> => {
      for (let index = 0; !state.isOver; index += 1) {
        const created = await admin.create(KINDS.pods, pod(`web-${worker}-${index}`));
        expect(initContainersOf(created)).toContain("istio-proxy");
        state.created += 1;
      }
    };
    const workers = Promise.all([1, 2, 3].map(createPods));
    for (const replica of old) {
      await startReplica();
      const stopped = replica.stop(3000);
      await sleep(700);
      ports.splice(ports.indexOf(replica.port), 1);
      await stopped;
    }
    state.isOver = true;
    await workers;
    expect(ports).toHaveLength(2);
    expect(state.created).toBeGreaterThan(10);
  });

  it("injects with the mesh's ProxyConfig", async () => {
    await startReplica({ proxy: parseProxyConfigText("proxyMetadata: {ENTENTE_LOG_LEVEL: debug}").config });
    const { spec } = await admin.create(KINDS.pods, pod("web"));
    expect(JSON.stringify(spec)).toContain('{"name":"ENTENTE_LOG_LEVEL","value":"debug"}');
  });

  it("never holds up its own pods or Kubernetes' own, whatever the labels of their namespaces are", async () => {
    await startReplica();
    // From now on nothing listens.
    ports.length = 0;
    for (const name of [NAMESPACE, "kube-system"]) {
      const labels = { "kubernetes.io/metadata.name": name, "istio-injection": "enabled", "istio.io/rev": "default" };
      await admin.apply(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
      const own = {
        name: "own",
        namespace: name,
        labels: { "sidecar.istio.io/inject": "false", "istio.io/rev": "default" },
      };
      for (const metadata of [own, { name: "other", namespace: name }]) {
        expect(initContainersOf(await admin.create(KINDS.pods, { ...pod("own"), metadata }))).toBeUndefined();
      }
    }
    await expect(admin.create(KINDS.pods, pod("web"))).rejects.toThrow("webhook");
  });
});
