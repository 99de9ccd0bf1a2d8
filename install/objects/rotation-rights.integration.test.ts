import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { startIdentity } from "../../control-plane/identity/start-identity.ts";
import { type Rotation, startRotation } from "../../control-plane/rotation/start-rotation.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { NAMESPACE, type Right, startRightsCluster } from "./rights-cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const TUNING = {
  limits: { publishMs: 100, settleMs: 0, clockErrorMs: 100 },
  electionTimes: { leaseMs: 1000, renewDeadlineMs: 700, retryMs: 50 },
  replicaTimes: { intervalMs: 100, leaseMs: 1000, lostMs: 200 },
};

/** The shipped code, as the control plane's account. */
async function start(server: TestApiServer): Promise<{ readonly rotation: Rotation; stop(): void }> {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const api = server.client(server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: "istiod" }));
  const deps = {
    // Leases last a second, also on a machine on which this process stands still for as long.
    ...{ clock: startFastClock(cleanup, 1), random: () => 0.5, log: new RecordingLogger(), registry: new Registry() },
    signal: stop.signal,
  };
  const identity = await startIdentity(
    { kind: "kubernetes", api, instance: "istiod-1" },
    { ...deps, settings: TEST_SETTINGS, limitLog: unlimitedLog, onWaiting: () => undefined },
  );
  const rotation = startRotation({
    ...{ ...identity, ...deps, proxies: () => [], trustDomain: TEST_SETTINGS.trustDomain, maxLifetimeMs: 200 },
    ...{ tuning: TUNING, cluster: { api, namespace: NAMESPACE, instance: "istiod-1" } },
  });
  return { rotation, stop: () => stop.abort() };
}

/** With a request for a rotation, and the Lease of a control plane that is gone. */
async function startCluster(without?: Right): Promise<TestApiServer> {
  const server = await startRightsCluster(cleanup, without);
  const rotation = JSON.stringify({ requestId: "first", requestedAt: "2026-01-01T00:00:00Z" });
  server.cluster.create(KINDS.configMaps, {
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "entente-ca", namespace: NAMESPACE } },
    data: { "revocations.json": "[]", "rotation.json": rotation },
  });
  const labels = { "entente.io/replica": "control-plane" };
  server.cluster.create(KINDS.leases, {
    ...{ apiVersion: "coordination.k8s.io/v1", kind: "Lease" },
    metadata: { name: "entente-istiod-gone", namespace: NAMESPACE, labels },
    spec: { holderIdentity: "gone", leaseDurationSeconds: 1, renewTime: "2026-01-01T00:00:00.000000Z" },
  });
  return server;
}

function leases({ cluster }: TestApiServer): readonly string[] {
  return cluster.list(KINDS.leases, { namespace: NAMESPACE }).items.map(({ metadata }) => metadata.name);
}

describe("the rights of the control plane's account", () => {
  it("are enough to replace the root, and to leave", async () => {
    const server = await startCluster();
    const { rotation, stop } = await start(server);
    await until(() => rotation.status()?.phase === "steady" && rotation.status()?.requestId === "first");
    await until(() => !leases(server).includes("entente-istiod-gone"));
    stop();
    await rotation.ended;
    expect(leases(server)).toEqual(["entente-root-rotation"]);
    expect(server.denied).toEqual([]);
  });

  it.each<Right>([
    { resource: "secrets", verb: "update" },
    { resource: "leases", verb: "get" },
    { resource: "leases", verb: "list" },
    { resource: "leases", verb: "watch" },
    { resource: "leases", verb: "create" },
    { resource: "leases", verb: "patch" },
    { resource: "leases", verb: "update" },
    { resource: "leases", verb: "delete" },
  ])("contain nothing for a rotation that could be left out: $verb of $resource", async (right) => {
    const server = await startCluster(right);
    void start(server).catch(() => undefined);
    await until(() => server.denied.some(({ resource, verb }) => resource === right.resource && verb === right.verb));
    expect(server.denied.every(({ user }) => user === `system:serviceaccount:${NAMESPACE}:istiod`)).toBe(true);
  });
});
