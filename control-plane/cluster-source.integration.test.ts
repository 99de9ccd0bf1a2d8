import { afterEach, describe, expect, it } from "vitest";
import { settings } from "../discovery/discovery-fixture.ts";
import { addDefinitions, putObjects } from "../discovery/kubernetes/mesh-cluster-fixture.ts";
import { policyOf } from "../discovery/kubernetes/source-fixture.ts";
import { startTestApiServer, type TestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { findFreePort } from "../net/free-port-fixture.ts";
import { until } from "../net/until-fixture.ts";
import { fixedSettings } from "./settings/live-settings.ts";
import { startControlPlane } from "./start-control-plane.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Started {
  readonly log: RecordingLogger;
  readonly starting: Promise<unknown>;
  /** The response to a readiness probe. */
  ready(): Promise<{ readonly status: number; readonly text: string }>;
  metrics(): Promise<string>;
}

async function start(server: TestApiServer): Promise<Started> {
  const stop = new AbortController();
  const log = new RecordingLogger();
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const api = server.client(server.adminToken, { timeoutMs: 60_000 });
  const starting = startControlPlane(
    {
      source: { kind: "kubernetes", api, instance: "istiod-1" },
      identity: { kind: "kubernetes", api, instance: "istiod-1" },
      defaultLifetimeMs: 3_600_000,
      maxLifetimeMs: 3_600_000,
      port,
      metricsPort,
      version: "test",
      dnsNames: ["localhost"],
      settings: fixedSettings(settings),
    },
    { clock: systemClock, random: () => 0.05, log, signal: stop.signal },
  );
  cleanup.add(async () => {
    stop.abort();
    await starting.then((stopParts) => stopParts()).catch(() => undefined);
  });
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${metricsPort}${path}`);
  return {
    log,
    starting,
    ready: async () => {
      const response = await get("/ready");
      return { status: response.status, text: await response.text() };
    },
    metrics: async () => (await get("/metrics")).text(),
  };
}

async function untilReady({ ready }: Started): Promise<void> {
  await until(async () => {
    const { status, text } = await ready();
    return status === 200 && text === "ready\n";
  });
}

async function startMeshServer(): Promise<TestApiServer> {
  const server = await startTestApiServer(cleanup);
  addDefinitions(server.cluster);
  for (const name of ["istio-system", "ns1"]) {
    putObjects(server.cluster, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  return server;
}

describe("a control plane on the Kubernetes API", () => {
  it("is not ready before the configuration was read once, and says what it waits for", async () => {
    const server = await startMeshServer();
    server.faults.add({ kind: "status", status: 500, reason: "InternalError" }, { resource: "peerauthentications" });
    const plane = await start(server);
    await plane.log.seen("has not been read yet");
    expect(await plane.ready()).toEqual({
      status: 503,
      text: expect.stringMatching(/^the configuration has not been read yet: PeerAuthentication: .*InternalError/),
    });
    server.faults.clear();
    await plane.starting;
    await untilReady(plane);
  });

  it("stays ready while the API is away, and says since when it serves the last state", async () => {
    const server = await startMeshServer();
    const plane = await start(server);
    await plane.starting;
    expect(await plane.metrics()).toMatch(/^entente_control_plane_config_stale_seconds 0$/m);
    await server.away();
    await plane.log.seen("serving the last state of");
    expect(await plane.ready()).toEqual({
      status: 200,
      text: expect.stringMatching(/^serving the last state of \d\d:\d\d:\d\d UTC: .*ECONN/),
    });
    expect(await plane.metrics()).toMatch(/^entente_control_plane_config_stale_seconds \d*\.\d+$/m);
    await server.back();
    await plane.log.seen("the Kubernetes API is back");
    await untilReady(plane);
  });

  it("writes on an invalid object what is wrong with it", async () => {
    const server = await startMeshServer();
    putObjects(server.cluster, policyOf("STRIKT"));
    const plane = await start(server);
    await plane.starting;
    const seen = (): boolean =>
      server.requests.some(({ verb, resource }) => verb === "create" && resource === "events");
    await until(seen);
    const events = server.cluster.history.list("events.k8s.io/events");
    expect(events[0]).toMatchObject({ reportingInstance: "istiod-1", reason: "InvalidConfiguration" });
  });
});
