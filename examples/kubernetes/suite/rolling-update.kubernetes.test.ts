import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { disruptionBudget, echoApplication, gatewayTo } from "./applications-fixture.ts";
import type { LoadResult } from "./client-pod-fixture.ts";
import { apply, awaitRollout, kubectl, podNames, runKubectl } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld, type World } from "./world-fixture.ts";

let mesh: World;
let outside: ClientNamespace;
let url: string;

beforeAll(async () => {
  mesh = await createWorld("rolling", { mode: "STRICT", replicas: 2 });
  const { namespace } = mesh;
  await apply([
    ...echoApplication(namespace, "hello", { text: "hello", next: `world.${namespace}:8080`, replicas: 2 }),
    ...["world", "hello"].map((app) => disruptionBudget(namespace, app)),
    ...gatewayTo(namespace, "hello"),
  ]);
  outside = await createOutsider();
  await awaitRollout(namespace, "hello");
  url = `http://hello.${namespace}:8080/`;
});

afterAll(async () => {
  await Promise.all([mesh?.remove(), outside?.remove()]);
});

/** Evicts one pod after the other, as the drain of a node does: again and again while the disruption budget forbids it. */
async function evictAll(app: string): Promise<void> {
  for (const name of await podNames(mesh.namespace, `app=${app}`)) {
    const metadata = { name, namespace: mesh.namespace };
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata };
    const path = `/api/v1/namespaces/${mesh.namespace}/pods/${name}/eviction`;
    const evict = () => runKubectl(["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
    await expect.poll(evict, { timeout: 60_000, interval: 500 }).toMatchObject({ status: 0 });
  }
}

async function restart(namespace: string, ...deployments: readonly string[]): Promise<void> {
  for (const deployment of deployments) {
    await kubectl(["rollout", "restart", `deployment/${deployment}`, "-n", namespace]);
    await awaitRollout(namespace, deployment);
  }
}

function expectNoFailure(result: LoadResult): void {
  process.stdout.write(`${result.succeeded} requests succeeded\n`);
  expect(result.failures).toEqual({});
  expect(result.succeeded).toBeGreaterThan(100);
}

describe("no request fails", () => {
  it("before anything is replaced", async () => {
    const reply = { status: 200, body: expect.stringMatching(/^hello\s+world$/) };
    await expect.poll(() => mesh.client.send({ url }), { timeout: 30_000 }).toMatchObject(reply);
  });

  it.each(["world", "hello"])("while %s is replaced, twice", async (deployment) => {
    expectNoFailure(await mesh.client.loadWhile({ url }, () => restart(mesh.namespace, deployment, deployment)));
  });

  it("while every replica of the control plane and of the injector is replaced", async () => {
    expectNoFailure(
      await mesh.client.loadWhile({ url }, () => restart("istio-system", "istiod", "istio-sidecar-injector")),
    );
  });

  it.each(["world", "hello"])("while each pod of %s is evicted", async (app) => {
    expectNoFailure(await mesh.client.loadWhile({ url }, () => evictAll(app)));
  });

  it("through the ingress gateway, while it and hello are replaced", async () => {
    const job = {
      url: "http://istio-ingressgateway.istio-system/",
      headers: { host: `${mesh.namespace}.example.com` },
    };
    await expect.poll(() => outside.client.send(job), { timeout: 30_000 }).toMatchObject({ status: 200 });
    const work = async (): Promise<void> => {
      await restart("istio-system", "istio-ingressgateway");
      await restart(mesh.namespace, "hello");
    };
    expectNoFailure(await outside.client.loadWhile(job, work));
  });

  it("while world is scaled down and up again", async () => {
    const scale = async (replicas: number): Promise<void> => {
      await kubectl(["scale", "deployment/world", "-n", mesh.namespace, `--replicas=${replicas}`]);
      await awaitRollout(mesh.namespace, "world");
    };
    expectNoFailure(
      await mesh.client.loadWhile({ url }, async () => {
        await scale(1);
        await scale(3);
        await scale(2);
      }),
    );
  });
});
