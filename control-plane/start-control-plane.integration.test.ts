import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../kubernetes/kinds.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { ask } from "../net/http-fixture.ts";
import { listen } from "../net/listen.ts";
import { IdentityCluster, ROOT_NAMESPACE } from "./cluster-identity-fixture.ts";
import { fixedSettings } from "./live-settings.ts";
import { servingNames } from "./serving-names.ts";
import { startControlPlane } from "./start-control-plane.ts";

const HOUR_MS = 3_600_000;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function findFreePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Started {
  readonly address: string;
  readonly metricsPort: number;
  /** Resolves when it is ready; its status page responds before. */
  readonly ready: Promise<void>;
}

/** The whole control plane of a cluster, assembled as it ships. */
async function start(cluster: IdentityCluster): Promise<Started> {
  const stop = new AbortController();
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const api = cluster.server.client();
  const started = startControlPlane(
    {
      ...{ source: { kind: "kubernetes", api, instance: "istiod-1" }, identity: { kind: "kubernetes", api } },
      ...{
        defaultLifetimeMs: HOUR_MS,
        maxLifetimeMs: HOUR_MS,
        port,
        metricsPort,
        settings: fixedSettings(TEST_SETTINGS),
      },
      dnsNames: servingNames(ROOT_NAMESPACE, undefined),
    },
    { clock: systemClock, random: Math.random, log: new RecordingLogger(), signal: stop.signal },
  );
  cleanup.add(async () => {
    stop.abort(new Error("the test is over"));
    await (await started.catch(() => undefined))?.();
  });
  const ready = started.then(() => undefined);
  // A test that ends before is no failure.
  ready.catch(() => undefined);
  return { address: `localhost:${port}`, metricsPort, ready };
}

async function readinessOf(port: number): Promise<string> {
  for (;;) {
    const response = await ask(port, { path: "/ready" }).catch(() => undefined);
    if (response !== undefined) return `${response.status} ${response.body.trim()}`;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("a control plane in a cluster", () => {
  it("is ready once authority and configuration are there", async () => {
    const { metricsPort, ready } = await start(await IdentityCluster.start(cleanup));
    await ready;
    expect(await readinessOf(metricsPort)).toBe("200 ready");
  });

  it("says what it waits for, and waits as long as it takes", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    await cluster.server.away();
    const { metricsPort, ready } = await start(cluster);
    while (!(await readinessOf(metricsPort)).includes("the certificate authority is not open")) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect((await ask(metricsPort, { path: "/live" })).status).toBe(200);
    await cluster.server.back();
    await ready;
  });

  it("waits for an operator's Secret that is incomplete, and names the key", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const secret = { metadata: { name: "cacerts", namespace: ROOT_NAMESPACE }, data: { "ca-cert.pem": "YQ==" } };
    cluster.server.cluster.create(KINDS.secrets, { apiVersion: "v1", kind: "Secret", ...secret });
    const { metricsPort } = await start(cluster);
    let text = "";
    while (!text.includes("ca-key.pem of Secret istio-system/cacerts is missing")) {
      text = await readinessOf(metricsPort);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(text).toMatch(/^503 /);
  });

  it("lets a certificate renew itself only where its pod is", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const { address, ready } = await start(cluster);
    await ready;
    const pod = cluster.createPod("hello");
    await pod.mount();
    const pair = await pod.requestPair(address);
    await expect(pod.renew(address, pair)).rejects.toThrow("request authenticate failure");
    const { resourceVersion: _, ...metadata } = pod.object.metadata;
    const running = { ...pod.object, metadata, status: { phase: "Running", podIP: "127.0.0.1" } };
    cluster.server.cluster.replace(KINDS.pods, running, { subresource: "status" });
    await expect.poll(() => pod.renew(address, pair).catch(() => []), { timeout: 5000 }).toHaveLength(2);
  });
});
