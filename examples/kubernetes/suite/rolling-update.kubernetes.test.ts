import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { disruptionBudget, echoApplication, gatewayTo, peerAuthentication } from "./applications-fixture.ts";
import { type ClientPod, createClient, type LoadResult } from "./client-pod-fixture.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  INJECTED,
  kubectl,
  podNames,
  runKubectl,
  type TestNamespace,
} from "./kubectl-fixture.ts";

let mesh: TestNamespace;
let outside: TestNamespace;
let client: ClientPod;
let outsider: ClientPod;
let url: string;

beforeAll(async () => {
  mesh = await createNamespace("rolling", INJECTED);
  await apply([
    ...echoApplication(mesh.name, "world", { text: "world", replicas: 2 }),
    ...echoApplication(mesh.name, "hello", { text: "hello", next: `world.${mesh.name}:8080`, replicas: 2 }),
    ...["world", "hello"].map((app) => disruptionBudget(mesh.name, app)),
    peerAuthentication(mesh.name, "STRICT"),
  ]);
  client = await createClient(mesh.name, "client");
  outside = await createNamespace("outside");
  await apply(gatewayTo(mesh.name, "hello"));
  outsider = await createClient(outside.name, "client");
  await awaitRollout(mesh.name, "world");
  await awaitRollout(mesh.name, "hello");
  url = `http://hello.${mesh.name}:8080/`;
});

afterAll(async () => {
  await Promise.all([mesh.remove(), outside.remove()]);
});

/** Evicts one pod after the other, as the drain of a node does: again and again while the disruption budget forbids it. */
async function evictAll(app: string): Promise<void> {
  for (const name of await podNames(mesh.name, `app=${app}`)) {
    const metadata = { name, namespace: mesh.name };
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata };
    const path = `/api/v1/namespaces/${mesh.name}/pods/${name}/eviction`;
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
    await expect.poll(() => client.send({ url }), { timeout: 30_000 }).toMatchObject(reply);
  });

  it.each(["world", "hello"])("while %s is replaced, twice", async (deployment) => {
    expectNoFailure(await client.loadWhile({ url }, () => restart(mesh.name, deployment, deployment)));
  });

  it("while every replica of the control plane and of the injector is replaced", async () => {
    expectNoFailure(await client.loadWhile({ url }, () => restart("istio-system", "istiod", "istio-sidecar-injector")));
  });

  it.each(["world", "hello"])("while each pod of %s is evicted", async (app) => {
    expectNoFailure(await client.loadWhile({ url }, () => evictAll(app)));
  });

  it("through the ingress gateway, while it and hello are replaced", async () => {
    const job = { url: "http://istio-ingressgateway.istio-system/", headers: { host: `${mesh.name}.example.com` } };
    await expect.poll(() => outsider.send(job), { timeout: 30_000 }).toMatchObject({ status: 200 });
    const work = async (): Promise<void> => {
      await restart("istio-system", "istio-ingressgateway");
      await restart(mesh.name, "hello");
    };
    expectNoFailure(await outsider.loadWhile(job, work));
  });

  it("while world is scaled down and up again", async () => {
    const scale = async (replicas: number): Promise<void> => {
      await kubectl(["scale", "deployment/world", "-n", mesh.name, `--replicas=${replicas}`]);
      await awaitRollout(mesh.name, "world");
    };
    expectNoFailure(
      await client.loadWhile({ url }, async () => {
        await scale(1);
        await scale(3);
        await scale(2);
      }),
    );
  });
});
