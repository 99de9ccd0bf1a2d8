import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { peerAuthentication } from "./applications-fixture.ts";
import { apply, getObjects, kubectl, runKubectl } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

let mesh: World;
let outside: ClientNamespace;

beforeAll(async () => {
  mesh = await createWorld("config");
  outside = await createOutsider();
});

afterAll(async () => {
  await Promise.all([mesh?.remove(), outside?.remove()]);
});

const SERVED = WORLD_REPLY;
const REFUSED = { error: "ECONNRESET" };
const SOON = { timeout: 15_000 };

describe("a PeerAuthentication of the cluster", () => {
  it("is in force while it exists: PERMISSIVE without one, STRICT with one, PERMISSIVE after it", async () => {
    await expect.poll(() => outside.client.send({ url: mesh.url }), SOON).toMatchObject(SERVED);
    await apply([peerAuthentication(mesh.namespace, "STRICT")]);
    await expect.poll(() => outside.client.send({ url: mesh.url }), SOON).toEqual(REFUSED);
    expect(await mesh.client.send({ url: mesh.url })).toMatchObject(SERVED);
    await kubectl(["delete", "peerauthentication", "default", "-n", mesh.namespace]);
    await expect.poll(() => outside.client.send({ url: mesh.url }), SOON).toMatchObject(SERVED);
  });

  it("that is wrong is refused by the API server with the field and the fix", async () => {
    const wrong = { ...peerAuthentication(mesh.namespace, "STRICT"), spec: { mtls: { mode: "STRICTT" } } };
    const { status, stderr } = await runKubectl(["apply", "-f", "-"], { input: JSON.stringify(wrong) });
    expect([status, stderr]).toEqual([1, expect.stringContaining("spec.mtls.mode")]);
  });
});

describe("Services", () => {
  it("of a new kind of port and without a selector lead to the pods of their EndpointSlices, with mutual TLS", async () => {
    await apply([peerAuthentication(mesh.namespace, "STRICT")]);
    const pods = await getObjects("pods", "-n", mesh.namespace, "-l", "app=world");
    const { podIP }: { readonly podIP: string } = JSON.parse(JSON.stringify(pods[0]?.["status"]));
    await apply(selectorless(mesh.namespace, podIP));
    await expect
      .poll(() => mesh.client.send({ url: `http://by-hand.${mesh.namespace}:8080/` }), SOON)
      .toMatchObject(SERVED);
  });

  it("headless, and a pod's own address, lead there with mutual TLS too", async () => {
    const ports = [{ name: "http", port: 8080, targetPort: 8080 }];
    const metadata = { name: "headless", namespace: mesh.namespace };
    const spec = { clusterIP: "None", selector: { app: "world" }, ports };
    await apply([{ apiVersion: "v1", kind: "Service", metadata, spec }]);
    await expect
      .poll(() => mesh.client.send({ url: `http://headless.${mesh.namespace}:8080/` }), SOON)
      .toMatchObject(SERVED);
  });
});

function selectorless(namespace: string, ip: string): readonly KubernetesObject[] {
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "by-hand", namespace },
      spec: { ports: [{ name: "http", port: 8080, targetPort: 8080 }] },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "by-hand-1", namespace, labels: { "kubernetes.io/service-name": "by-hand" } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080 }],
      endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    },
  ];
}
