import { randomBytes } from "node:crypto";
import { Agent, request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { createPod, TEST_SETTINGS } from "../admission/pod-fixture.ts";
import { review } from "../webhook-fixture.ts";
import { FakeCluster } from "./fake-cluster-fixture.ts";
import { startClusterInjector } from "./start-cluster-injector.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const SERVICE = { namespace: "istio-system", name: "istio-sidecar-injector", path: "/inject" };

async function startInCluster(cluster: FakeCluster) {
  const log = new RecordingLogger();
  const controller = new AbortController();
  const api: KubernetesApi = Object.assign(cluster, unused());
  const settings = { current: () => TEST_SETTINGS, subscribe: () => () => undefined, stop: () => undefined };
  const server = await startClusterInjector(
    { api, settings, instance: "injector-1", host: "127.0.0.1", port: 0 },
    { clock: systemClock, random: Math.random, randomBytes, log, signal: controller.signal },
  );
  cleanup.add(async () => {
    controller.abort();
    await server.stop(0);
  });
  return { server, log };
}

function unused() {
  const never = (): never => {
    throw new Error("not used by the injector");
  };
  return { list: never, watch: never, delete: never, review: never, version: never, discover: never };
}

/** Calls the webhook as an API server does: with the roots of the configuration's caBundle. */
function callAs(caBundle: string, port: number) {
  const ca = Buffer.from(caBundle, "base64").toString();
  const agent = new Agent({ connect: { ca, servername: "istio-sidecar-injector.istio-system.svc" } });
  cleanup.add(() => agent.destroy());
  return async (path: string, body?: string) => {
    const headers = { "content-type": "application/json" };
    const url = `https://127.0.0.1:${port}${path}`;
    const options = body === undefined ? {} : ({ method: "POST", body } as const);
    const response = await request(url, { dispatcher: agent, headers, ...options });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  };
}

function caBundleIn(cluster: FakeCluster): string {
  const webhooks = cluster.find(KINDS.mutatingWebhooks, { name: "istio-sidecar-injector" })?.["webhooks"];
  return Array.isArray(webhooks) ? String(webhooks[0].clientConfig.caBundle) : "";
}

function createCluster(): FakeCluster {
  const cluster = new FakeCluster();
  cluster.put(KINDS.mutatingWebhooks, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: "istio-sidecar-injector" },
    webhooks: [{ name: "namespace.sidecar-injector.istio.io", clientConfig: { service: SERVICE } }],
  });
  return cluster;
}

describe("the injector in a cluster", () => {
  it("is called by an API server that trusts the caBundle, and injects", async () => {
    const cluster = createCluster();
    const { server } = await startInCluster(cluster);
    const call = callAs(caBundleIn(cluster), server.port);
    expect(await call("/healthz/ready")).toMatchObject({ status: 200, text: "ready\n" });
    const { status, text } = await call("/inject", review(createPod()));
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: true, patchType: "JSONPatch" } });
  });

  it("records why it refused a pod", async () => {
    const cluster = createCluster();
    const { server } = await startInCluster(cluster);
    const call = callAs(caBundleIn(cluster), server.port);
    const pod = createPod({ annotations: { "sidecar.istio.io/proxyCPU": "lots" }, ownerReferences: [] });
    const { text } = await call("/inject", review(pod));
    expect(JSON.parse(text)).toMatchObject({ response: { allowed: false } });
    await expect.poll(() => cluster.all(KINDS.events)).toHaveLength(1);
  });

  it("goes on serving for a while when it ends, not ready, and closes each connection behind the response", async () => {
    const cluster = createCluster();
    const { server } = await startInCluster(cluster);
    const call = callAs(caBundleIn(cluster), server.port);
    const stopped = server.stop(400);
    const response = await call("/inject", review(createPod()));
    expect(response).toMatchObject({ status: 200, headers: { connection: "close" } });
    expect(await call("/healthz/ready")).toMatchObject({ status: 503, text: "the process is ending\n" });
    expect(await call("/healthz/live")).toMatchObject({ status: 200 });
    await stopped;
    await expect(call("/healthz/live")).rejects.toThrow("ECONNREFUSED");
  });
});
