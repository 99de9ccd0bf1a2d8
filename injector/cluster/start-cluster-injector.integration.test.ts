import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { definitionOf } from "../../discovery/kubernetes/mesh-cluster-fixture.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { createPod, TEST_SETTINGS } from "../admission/pod-fixture.ts";
import { review } from "../serving/webhook-fixture.ts";
import { InjectorCluster, refused } from "./injector-cluster-fixture.ts";
import { startClusterInjector } from "./start-cluster-injector.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function startInCluster(cluster: InjectorCluster, nativeSidecars: "auto" | "on" | "off" = "off") {
  const log = new RecordingLogger();
  const controller = new AbortController();
  const settings = { current: () => TEST_SETTINGS, subscribe: () => () => undefined, stop: () => undefined };
  const server = await startClusterInjector(
    {
      api: cluster.api,
      settings,
      nativeSidecars,
      instance: "injector-1",
      host: "127.0.0.1",
      port: await findFreePort(),
    },
    { clock: systemClock, random: Math.random, randomBytes, log, signal: controller.signal },
  );
  cleanup.add(async () => {
    controller.abort();
    await server.stop(0);
  });
  return { server, log };
}

/** Starts it, and waits until it is ready. */
async function startReady(...options: Parameters<typeof startInCluster>) {
  const started = await startInCluster(...options);
  await started.log.seen("the webhook has a new certificate");
  await expect.poll(() => options[0].caBundle()).not.toBe("");
  return started;
}

/** Calls the webhook as an API server does: with the roots of the configuration's caBundle. */
function callAs(ca: string, port: number, localAddress = "127.0.0.1") {
  const connect = { ca, servername: "istio-sidecar-injector.istio-system.svc" };
  const agent = new Agent({ connections: 8, localAddress, connect });
  cleanup.add(() => agent.destroy());
  return async (path: string, body?: string) => {
    const headers = { "content-type": "application/json" };
    const url = `https://127.0.0.1:${port}${path}`;
    const options = body === undefined ? {} : ({ method: "POST", body } as const);
    const response = await request(url, { dispatcher: agent, headers, ...options });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  };
}

describe("the injector in a cluster", () => {
  it("lives and is not ready while the API is away at its start, and is ready soon after", async () => {
    const cluster = new InjectorCluster().install();
    cluster.failure = refused(503, "ServiceUnavailable");
    const { server } = await startInCluster(cluster, "auto");
    const untrusting = new Agent({ connect: { rejectUnauthorized: false } });
    cleanup.add(() => untrusting.destroy());
    const statusOf = async (path: string, method: "GET" | "POST" = "GET"): Promise<number> => {
      const response = await request(`https://127.0.0.1:${server.port}${path}`, { dispatcher: untrusting, method });
      await response.body.dump();
      return response.statusCode;
    };
    expect(await statusOf("/healthz/live")).toBe(200);
    expect(await statusOf("/healthz/ready")).toBe(503);
    expect(await statusOf("/inject", "POST")).toBe(503);
    cluster.failure = undefined;
    await expect.poll(() => statusOf("/healthz/ready")).toBe(200);
  });

  it("is called by an API server that trusts the caBundle, and injects", async () => {
    const cluster = new InjectorCluster().install();
    const { server } = await startReady(cluster);
    const call = callAs(cluster.caBundle(), server.port);
    expect(await call("/healthz/ready")).toMatchObject({ status: 200, text: "ready\n" });
    const { status, text } = await call("/inject", review(createPod()));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: true, patchType: "JSONPatch" } });
  });

  it("injects 500 pods that are created at once", async () => {
    const cluster = new InjectorCluster().install();
    const { server } = await startReady(cluster);
    const call = callAs(cluster.caBundle(), server.port);
    const names = Array.from({ length: 500 }, (_, index) => `web-${index}`);
    const responses = await Promise.all(names.map((name) => call("/inject", review(createPod({ name })))));
    const outcomes = responses.map(({ status, text }) => `${status} ${JSON.parse(text).response.patchType}`);
    expect(new Set(outcomes)).toEqual(new Set(["200 JSONPatch"]));
  });

  it("warns of a resource that fits no other", async () => {
    const cluster = new InjectorCluster().install();
    cluster.objects.create(KINDS.customResourceDefinitions, definitionOf("DestinationRule"));
    const { server } = await startReady(cluster);
    const call = callAs(cluster.caBundle(), server.port);
    const object = {
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      metadata: { name: "world", namespace: "ns1" },
      spec: { host: "wrld", trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } },
    };
    const warnings = async (): Promise<unknown> => {
      const { text } = await call("/validate", review(object, { kind: { kind: "DestinationRule" } }));
      return JSON.parse(text).response.warnings;
    };
    await expect.poll(warnings).toEqual([expect.stringContaining("IST0101 DestinationRule/world.ns1")]);
  });

  it("records why it refused a pod", async () => {
    const cluster = new InjectorCluster().install();
    const { server } = await startReady(cluster);
    const call = callAs(cluster.caBundle(), server.port);
    const job = { apiVersion: "batch/v1", kind: "Job", metadata: { namespace: "ns1", name: "nightly" } };
    const { uid } = cluster.objects.create(KINDS.jobs, job).metadata;
    const owner = { apiVersion: job.apiVersion, kind: job.kind, name: job.metadata.name, uid, controller: true };
    const pod = createPod({ annotations: { "sidecar.istio.io/proxyCPU": "lots" }, ownerReferences: [owner] });
    const { text } = await call("/inject", review(pod));
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: false } });
    await expect.poll(() => cluster.all(KINDS.events)).toHaveLength(1);
  });

  it("records it after a flood of forged reviews from another address", async () => {
    const cluster = new InjectorCluster().install();
    const { server } = await startReady(cluster);
    const job = { apiVersion: "batch/v1", kind: "Job", metadata: { namespace: "ns1", name: "nightly" } };
    const { uid } = cluster.objects.create(KINDS.jobs, job).metadata;
    const refused = (owner: object): string => {
      const reference = {
        apiVersion: job.apiVersion,
        kind: job.kind,
        name: job.metadata.name,
        controller: true,
        ...owner,
      };
      return review(createPod({ annotations: { "sidecar.istio.io/proxyCPU": "lots" }, ownerReferences: [reference] }));
    };
    const forge = callAs(cluster.caBundle(), server.port, "127.0.0.66");
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => forge("/inject", refused({ uid: `guessed-${index}` }))),
    );
    await callAs(cluster.caBundle(), server.port)("/inject", refused({ uid }));
    await expect.poll(() => cluster.all(KINDS.events)).toHaveLength(1);
  });

  it("goes on serving for a while when it ends, not ready, and closes each connection behind the response", async () => {
    const cluster = new InjectorCluster().install();
    const { server } = await startReady(cluster);
    const call = callAs(cluster.caBundle(), server.port);
    const stopped = server.stop(400);
    const response = await call("/inject", review(createPod()));
    expect(response).toMatchObject({ status: 200, headers: { connection: "close" } });
    expect(await call("/healthz/ready")).toMatchObject({ status: 503, text: "the process is ending\n" });
    expect(await call("/healthz/live")).toMatchObject({ status: 200 });
    await stopped;
    await expect(call("/healthz/live")).rejects.toThrow("ECONNREFUSED");
  });

  const addNode = (cluster: InjectorCluster, name: string, kubeletVersion: string) =>
    cluster.objects.create(KINDS.nodes, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name },
      status: { nodeInfo: { kubeletVersion, operatingSystem: "linux" } },
    });

  it("injects native sidecars as long as every node can run them", async () => {
    const cluster = new InjectorCluster().install();
    addNode(cluster, "one", "v1.34.3");
    const { server } = await startReady(cluster, "auto");
    const call = callAs(cluster.caBundle(), server.port);
    const isNative = async (): Promise<boolean> => {
      const { text } = await call("/inject", review(createPod()));
      return Buffer.from(JSON.parse(text).response.patch, "base64").toString().includes('"restartPolicy":"Always"');
    };
    expect(await isNative()).toBe(true);
    addNode(cluster, "old", "v1.28.15");
    await expect.poll(isNative).toBe(false);
    cluster.objects.delete(KINDS.nodes, { name: "old" });
    await expect.poll(isNative).toBe(true);
  });

  it.each([
    { choice: "on", version: "v1.28.15", expected: true },
    { choice: "off", version: "v1.34.3", expected: false },
  ] as const)("does what the user says about native sidecars: $choice", async ({ choice, version, expected }) => {
    const cluster = new InjectorCluster().install();
    addNode(cluster, "one", version);
    const { server } = await startReady(cluster, choice);
    const { text } = await callAs(cluster.caBundle(), server.port)("/inject", review(createPod()));
    const patch = Buffer.from(JSON.parse(text).response.patch, "base64").toString();
    expect(patch.includes('"restartPolicy":"Always"')).toBe(expected);
  });
});
