import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { type ClientPod, createClient } from "./client-pod-fixture.ts";
import { prepareDemo, startDemo } from "./demo-manifests-fixture.ts";
import { apply, createNamespace, getObjects, kubectl, remove, type TestNamespace } from "./kubectl-fixture.ts";

const GATEWAY = { url: "http://istio-ingressgateway.istio-system/", headers: { host: "hello-tls.example.com" } };

let manifests: readonly KubernetesObject[] | undefined;
let outside: TestNamespace;
let client: ClientPod;

beforeAll(async () => {
  manifests = await prepareDemo();
  outside = await createNamespace("outside");
  client = await createClient(outside.name, "client");
  await startDemo(manifests);
});

afterAll(async () => {
  if (manifests !== undefined) await remove(manifests);
  await outside?.remove();
});

async function containersOf(namespace: string): Promise<readonly string[]> {
  const pods = await getObjects("pods", "-n", namespace);
  return pods.flatMap(({ spec }) => namesIn(spec, "containers").concat(namesIn(spec, "initContainers")));
}

function namesIn(spec: unknown, field: string): readonly string[] {
  const containers: unknown = typeof spec === "object" && spec !== null ? Reflect.get(spec, field) : undefined;
  return Array.isArray(containers) ? containers.map(({ name }) => String(name)) : [];
}

describe("the demo's manifests, applied once", () => {
  it("give every pod of ns1 and ns2 a sidecar, and none to legacy", async () => {
    expect(await containersOf("ns1")).toEqual(expect.arrayContaining(["hello", "istio-proxy", "istio-init"]));
    expect(await containersOf("ns2")).toEqual(expect.arrayContaining(["hello", "istio-proxy", "istio-init"]));
    expect(await containersOf("legacy")).toEqual(["hello"]);
  });

  it("answer through the ingress gateway", async () => {
    await expect
      .poll(() => client.send(GATEWAY), { timeout: 30_000 })
      .toMatchObject({
        status: 200,
        body: expect.stringMatching(/^hello\s+world\s+!!!$/),
      });
  });

  it("refuse plaintext: every server demands mutual TLS", async () => {
    // Until kube-proxy knows the endpoints, the node itself refuses.
    const soon = { timeout: 10_000 };
    await expect.poll(() => client.send({ url: "http://world.ns2:8080/" }), soon).toEqual({ error: "ECONNRESET" });
    await expect.poll(() => client.send({ url: "http://hello.ns1:8080/" }), soon).toEqual({ error: "ECONNRESET" });
  });

  it("change nothing when they are applied again", async () => {
    const messages = await apply(manifests ?? []);
    expect(
      messages
        .trim()
        .split("\n")
        .filter((line) => !line.endsWith(" unchanged")),
    ).toEqual([]);
  });
});

describe("a changed policy", () => {
  it("is in force soon, in both directions", async () => {
    await kubectl([
      "patch",
      "meshpolicy",
      "default",
      "--type=merge",
      "-p",
      '{"spec":{"peers":[{"mtls":{"mode":"PERMISSIVE"}}]}}',
    ]);
    await expect
      .poll(() => client.send({ url: "http://end.legacy:8080/" }), { timeout: 10_000 })
      .toMatchObject({ status: 200 });
    await expect
      .poll(() => client.send({ url: "http://world.ns2:8080/" }), { timeout: 10_000 })
      .toMatchObject({
        status: 200,
        body: expect.stringMatching(/^world\s+!!!$/),
      });
    await apply(manifests ?? []);
    await expect
      .poll(() => client.send({ url: "http://world.ns2:8080/" }), { timeout: 10_000 })
      .toEqual({
        error: "ECONNRESET",
      });
  });
});
