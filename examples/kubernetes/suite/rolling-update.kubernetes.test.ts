import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echoApplication, peerAuthentication } from "./applications-fixture.ts";
import { type ClientPod, createClient, type LoadResult } from "./client-pod-fixture.ts";
import { apply, awaitRollout, createNamespace, INJECTED, kubectl, type TestNamespace } from "./kubectl-fixture.ts";

let mesh: TestNamespace;
let client: ClientPod;
let url: string;

beforeAll(async () => {
  mesh = await createNamespace("rolling", INJECTED);
  await apply([
    ...echoApplication(mesh.name, "world", { text: "world", replicas: 2 }),
    ...echoApplication(mesh.name, "hello", { text: "hello", next: `world.${mesh.name}:8080`, replicas: 2 }),
    peerAuthentication(mesh.name, "STRICT"),
  ]);
  client = await createClient(mesh.name, "client");
  await awaitRollout(mesh.name, "world");
  await awaitRollout(mesh.name, "hello");
  url = `http://hello.${mesh.name}:8080/`;
});

afterAll(() => mesh.remove());

async function restart(namespace: string, ...deployments: readonly string[]): Promise<void> {
  for (const deployment of deployments) {
    await kubectl(["rollout", "restart", `deployment/${deployment}`, "-n", namespace]);
    await awaitRollout(namespace, deployment);
  }
}

function expectNoFailure(result: LoadResult): void {
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
