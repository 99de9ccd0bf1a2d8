import { afterEach, describe, expect, it } from "vitest";
import type { Fault } from "../../kubernetes/test-server/serving/faults.ts";
import { startTestApiServer, type TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import type { ConfigSource } from "../config-source.ts";
import { runConfigSourceContract } from "../config-source-contract-fixture.ts";
import { startKubernetesSource } from "./kubernetes-source.ts";
import { addDefinitions, putObjects, removeObject } from "./mesh-cluster-fixture.ts";
import { podOf, policyOf } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function startOn(server: TestApiServer): { readonly starting: Promise<ConfigSource>; readonly log: RecordingLogger } {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const log = new RecordingLogger();
  // Short waits: what they are is tested with a fake clock.
  const random = (): number => 0.05;
  const clock = startFastClock(cleanup);
  const api = server.client(server.adminToken, { timeoutMs: 2000, clock });
  return { starting: startKubernetesSource({ api, clock, random, log, signal: stop.signal }), log };
}

async function startMeshServer(): Promise<TestApiServer> {
  const server = await startTestApiServer(cleanup);
  addDefinitions(server.cluster);
  putObjects(server.cluster, { apiVersion: "v1", kind: "Namespace", metadata: { name: "ns1" } }, podOf("web-1"));
  return server;
}

function modeIn(set: ResourceSet): string | undefined {
  return set.peerAuthentications.get("ns1/default")?.spec.mtls.mode;
}

function until(source: ConfigSource, condition: (set: ResourceSet) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = source.subscribe((set) => check(set));
    const check = (set: ResourceSet): void => {
      if (!condition(set)) return;
      unsubscribe();
      resolve();
    };
    check(source.current());
  });
}

runConfigSourceContract({
  name: "an API server over TLS",
  create: async (initial) => {
    const server = await startTestApiServer(cleanup);
    addDefinitions(server.cluster);
    putObjects(server.cluster, ...initial);
    return {
      source: await startOn(server).starting,
      apply: async (...objects) => putObjects(server.cluster, ...objects),
      remove: async (object) => removeObject(server.cluster, object),
      dispose: () => cleanup.run(),
    };
  },
});

describe("a server that", () => {
  const refused = (status: number, reason: string): Fault => ({ kind: "status", status, reason });

  it.each<{ readonly name: string; readonly fault: Fault }>([
    { name: "fails", fault: refused(500, "InternalError") },
    {
      name: "limits its load",
      fault: { kind: "status", status: 429, reason: "TooManyRequests", retryAfterSeconds: 1 },
    },
    { name: "sends garbage", fault: { kind: "garbage" } },
    { name: "sends half a JSON", fault: { kind: "half-json" } },
    { name: "is cut in the middle of each response", fault: { kind: "cut" } },
    { name: "is slow", fault: { kind: "delay", delayMs: 300 } },
    { name: "never responds", fault: { kind: "hang" } },
  ])("$name at the start is waited for, whatever it says", async ({ fault }) => {
    const server = await startMeshServer();
    putObjects(server.cluster, policyOf("STRICT"));
    server.faults.add(fault, {}, 30);
    const { starting } = startOn(server);
    const source = await starting;
    expect(modeIn(source.current())).toBe("STRICT");
    expect([...source.current().pods.keys()]).toEqual(["ns1/web-1"]);
  });

  it.each<{ readonly name: string; readonly fault: Fault }>([
    { name: "fails", fault: refused(500, "InternalError") },
    { name: "sends garbage", fault: { kind: "garbage" } },
    { name: "sends half a JSON", fault: { kind: "half-json" } },
    { name: "expires every watch", fault: refused(410, "Expired") },
  ])("$name later empties nothing, and is followed again", async ({ fault }) => {
    const server = await startMeshServer();
    putObjects(server.cluster, policyOf("STRICT"));
    const source = await startOn(server).starting;
    const modes = new Set<string | undefined>();
    source.subscribe((set) => modes.add(modeIn(set)));
    server.faults.add(fault, {}, 60);
    for (const watch of server.watches) watch.cut();
    putObjects(server.cluster, policyOf("PERMISSIVE"));
    await until(source, (set) => modeIn(set) === "PERMISSIVE");
    expect([...modes]).not.toContain(undefined);
    expect(source.current().pods.size).toBe(1);
  });

  it("is away and comes back has its changes of meanwhile followed, deletions too", async () => {
    const server = await startMeshServer();
    putObjects(server.cluster, policyOf("STRICT"));
    const { starting, log } = startOn(server);
    const source = await starting;
    await server.away();
    await log.seen("serving the last state of");
    expect(source.status().kind).toBe("stale");
    expect(modeIn(source.current())).toBe("STRICT");
    removeObject(server.cluster, policyOf("STRICT"));
    putObjects(server.cluster, podOf("web-2", { status: { podIP: "10.0.0.2", podIPs: [] } }));
    await server.back();
    await until(source, (set) => modeIn(set) === undefined && set.pods.has("ns1/web-2"));
    await log.seen("the Kubernetes API is back");
    expect(source.status()).toEqual({ kind: "current" });
  });
});
