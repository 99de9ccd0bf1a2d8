import { X509Certificate } from "node:crypto";
import { connect, createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { type MintedAuthority, textsOf } from "../ca-agent/authority/authority-fixture.ts";
import { createConfigMapControlStore } from "../ca-agent/control/config-map-control-store.ts";
import type { RevocationTarget } from "../ca-agent/control/control-state.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import { createKubernetesClient } from "../kubernetes/kubernetes-client.ts";
import { mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { verifyPeer } from "../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { type Clock, systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { findFreePort } from "../net/free-port-fixture.ts";
import { ask } from "../net/http-fixture.ts";
import { listen } from "../net/listen.ts";
import { startRelay } from "../proxy/tls/control-plane/stream-fixture.ts";
import type { WorkloadTls } from "../proxy/tls/workload-tls.ts";
import { type ClusterPod, IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { startPodSidecar } from "./identity/pod-sidecar-fixture.ts";
import { revoke, unrevoke } from "./revocation-fixture.ts";
import { type AssembledControlPlane, startAssembled, startWholeControlPlane } from "./whole-control-plane-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const oldRoot = mintRoot({ commonName: "old" });
const [newRoot, nextRoot] = [mintRoot({ commonName: "new" }), mintRoot({ commonName: "next" })];
const signer = mintRoot({ commonName: "signer", issuer: oldRoot });

function writeAuthority({ server }: IdentityCluster, roots: MintedAuthority["roots"]): void {
  const texts = Object.entries(textsOf({ signer, roots }));
  const data = Object.fromEntries(texts.map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
  const metadata = { name: "cacerts", namespace: ROOT_NAMESPACE };
  server.cluster.apply(KINDS.secrets, { apiVersion: "v1", kind: "Secret", metadata, data }, { force: true });
}

/** A control plane behind a network that can lose everything between it and the API server. */
async function startCuttable({ server }: IdentityCluster) {
  const network = await startRelay(server.url.replace("https://127.0.0.1", "localhost"));
  cleanup.add(() => network.close());
  const access = { ...server.access(), server: `https://${network.address}` };
  const log = new RecordingLogger();
  const api = createKubernetesClient({ access, clock: systemClock, random: Math.random, log });
  cleanup.add(() => api.close());
  const parts = { kind: "kubernetes", api, instance: "istiod-2" } as const;
  return { network, plane: await startAssembled({ source: parts, identity: parts }, cleanup) };
}

/** What a Service is for sidecars: new connections go to the control plane that it leads to now. */
async function startService(first: AssembledControlPlane) {
  let target = first.address;
  const cut = new Set<() => void>();
  const server = createServer((downstream) => {
    const upstream = connect({ host: "localhost", port: Number(target.split(":")[1]) });
    const end = (): void => {
      downstream.destroy();
      upstream.destroy();
    };
    for (const socket of [downstream, upstream]) {
      cleanup.addSocket(socket);
      socket.on("error", () => undefined).on("close", end);
    }
    downstream.pipe(upstream).pipe(downstream);
    cut.add(end);
  });
  cleanup.add(() => server.close());
  const port = await listen(server, { port: 0, host: "localhost", onError: () => undefined });
  return {
    address: `localhost:${port}`,
    leadTo: (plane: Pick<AssembledControlPlane, "address">) => {
      target = plane.address;
    },
    cutConnections: () => {
      for (const one of cut) one();
      cut.clear();
    },
  };
}

/** A sidecar whose first wait before it leaves a control plane ends when the test says so. */
async function startSidecar(pod: ClusterPod, address: string) {
  let leave = (): void => undefined;
  const clock: Clock = {
    ...systemClock,
    setTimeout: (action, delayMs) => {
      if (delayMs !== 15_000) return systemClock.setTimeout(action, delayMs);
      leave = action;
      return { cancel: () => undefined };
    },
  };
  const log = new RecordingLogger();
  const sidecar = await startPodSidecar(cleanup, pod, { address, clock, random: () => 0, log });
  await sidecar.firstBundle;
  return { sidecar, log, leave: () => leave() };
}

/** `trusted`, or why a peer with this certificate is refused. */
function judge({ source }: WorkloadTls, chain: readonly string[]): string {
  const certificates = chain.slice(0, -1).map((pem) => new X509Certificate(pem));
  const verdict = verifyPeer({ certificates, sessionReused: false, ...source.trust(), nowMs: Date.now() });
  return verdict.kind === "trusted" ? "trusted" : verdict.reason;
}

function rootsOf({ source }: WorkloadTls): readonly string[] {
  return source.trust().roots.map(({ subject }) => subject.replace(/^.*CN=/s, ""));
}

/** A sidecar that trusts a peer, by way of a Service that leads to a healthy control plane. */
async function startMesh(cluster: IdentityCluster) {
  writeAuthority(cluster, [oldRoot]);
  const healthy = await startWholeControlPlane(cluster, cleanup);
  await healthy.ready;
  const [pod, peer] = [cluster.createPod("hello"), cluster.createPod("peer")];
  await Promise.all([pod.mount(), peer.mount()]);
  const { chain } = await peer.requestPair(healthy.address);
  const what: RevocationTarget = { kind: "serial", serialNumber: new X509Certificate(chain[0] ?? "").serialNumber };
  const api = cluster.server.client();
  const { signal } = new AbortController();
  const store = createConfigMapControlStore({
    ...{ api, namespace: ROOT_NAMESPACE, clock: systemClock, random: Math.random, signal },
    randomBytes: (size: number) => crypto.getRandomValues(new Uint8Array(size)),
  });
  const service = await startService(healthy);
  const started = await startSidecar(pod, service.address);
  expect([judge(started.sidecar, chain), rootsOf(started.sidecar)]).toEqual(["trusted", ["old"]]);
  return { healthy, chain, what, store, service, ...started };
}

it("a control plane that is cut off lifts no revocation and brings no root back, and is left for another one", async () => {
  const cluster = await IdentityCluster.start(cleanup);
  const { healthy, chain, what, store, service, sidecar, log, leave } = await startMesh(cluster);
  const { plane: cut, network } = await startCuttable(cluster);
  await cut.ready;

  network.freeze();
  await revoke(store, what);
  writeAuthority(cluster, [oldRoot, newRoot]);
  await expect.poll(() => [judge(sidecar, chain), rootsOf(sidecar)]).toEqual(["revoked", ["old", "new"]]);
  service.leadTo(cut);
  service.cutConnections();
  await log.seen("the control plane is behind");
  expect([judge(sidecar, chain), rootsOf(sidecar)]).toEqual(["revoked", ["old", "new"]]);
  const rejections = async (): Promise<string> => (await ask(cut.metricsPort, { path: "/debug/syncz" })).body;
  await expect.poll(rejections).toContain("is behind, by its state of Secret cacerts, ConfigMap entente-ca");
  expect(JSON.parse(await rejections())).toMatchObject({ proxies: [{ trustedRoots: null }] });
  const age = /entente_control_plane_trust_age_seconds\{source="revocations"\} (\S+)/;
  expect(Number(age.exec((await ask(cut.metricsPort, { path: "/metrics" })).body)?.[1])).toBeGreaterThan(0);

  service.leadTo(healthy);
  leave();
  await log.seen("not behind any more");
  expect([judge(sidecar, chain), rootsOf(sidecar)]).toEqual(["revoked", ["old", "new"]]);

  service.leadTo(cut);
  service.cutConnections();
  await expect.poll(() => log.find("the control plane is behind").length).toBe(2);
  await unrevoke(store, what);
  writeAuthority(cluster, [oldRoot, nextRoot]);
  expect([judge(sidecar, chain), rootsOf(sidecar)]).toEqual(["revoked", ["old", "new"]]);
  network.thaw();
  await expect.poll(() => [judge(sidecar, chain), rootsOf(sidecar)]).toEqual(["trusted", ["old", "next"]]);
});

it("a control plane that starts with a restored entente-ca lifts no revocation at a sidecar that knows it", async () => {
  const cluster = await IdentityCluster.start(cleanup);
  const { healthy, chain, what, store, service, sidecar, log } = await startMesh(cluster);
  await revoke(store, { kind: "serial", serialNumber: "4F" });
  const metadata = { name: "entente-ca", namespace: ROOT_NAMESPACE };
  const backup = cluster.server.cluster.get(KINDS.configMaps, metadata);
  await revoke(store, what);
  await expect.poll(() => judge(sidecar, chain)).toBe("revoked");
  // A server that ends waits for its clients.
  service.leadTo({ address: `localhost:${await findFreePort()}` });
  service.cutConnections();
  await healthy.kill();
  cluster.server.cluster.replace(KINDS.configMaps, { ...backup, metadata });
  const restored = await startWholeControlPlane(cluster, cleanup, { instance: "istiod-2" });
  await restored.ready;
  service.leadTo(restored);
  await log.seen("the control plane is behind");
  expect(log.find("the control plane is behind")).toMatchObject([{ fields: { sources: "ConfigMap entente-ca" } }]);
  expect(judge(sidecar, chain)).toBe("revoked");
});
