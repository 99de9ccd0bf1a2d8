import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { echoApplication, peerAuthentication } from "./applications-fixture.ts";
import { type ClientPod, createClient } from "./client-pod-fixture.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  getObjects,
  INJECTED,
  kubectl,
  runKubectl,
  type TestNamespace,
} from "./kubectl-fixture.ts";

let mesh: TestNamespace;
let outside: TestNamespace;
let inside: ClientPod;
let outsider: ClientPod;
let url: string;

beforeAll(async () => {
  mesh = await createNamespace("config", INJECTED);
  outside = await createNamespace("outside");
  await apply(echoApplication(mesh.name, "world", { text: "world" }));
  inside = await createClient(mesh.name, "client");
  outsider = await createClient(outside.name, "client");
  await awaitRollout(mesh.name, "world");
  url = `http://world.${mesh.name}:8080/`;
});

afterAll(async () => {
  await Promise.all([mesh.remove(), outside.remove()]);
});

const SERVED = { status: 200, body: "world" };
const REFUSED = { error: "ECONNRESET" };
const SOON = { timeout: 15_000 };

describe("a PeerAuthentication of the cluster", () => {
  it("is in force while it exists: PERMISSIVE without one, STRICT with one, PERMISSIVE after it", async () => {
    await expect.poll(() => outsider.send({ url }), SOON).toMatchObject(SERVED);
    await apply([peerAuthentication(mesh.name, "STRICT")]);
    await expect.poll(() => outsider.send({ url }), SOON).toEqual(REFUSED);
    expect(await inside.send({ url })).toMatchObject(SERVED);
    await kubectl(["delete", "peerauthentication", "default", "-n", mesh.name]);
    await expect.poll(() => outsider.send({ url }), SOON).toMatchObject(SERVED);
  });

  it("that is wrong is refused by the API server with the field and the fix", async () => {
    const wrong = { ...peerAuthentication(mesh.name, "STRICT"), spec: { mtls: { mode: "STRICTT" } } };
    const { status, stderr } = await runKubectl(["apply", "-f", "-"], { input: JSON.stringify(wrong) });
    expect([status, stderr]).toEqual([1, expect.stringContaining("spec.mtls.mode")]);
  });
});

describe("Services", () => {
  it("of a new kind of port and without a selector lead to the pods of their EndpointSlices, with mutual TLS", async () => {
    await apply([peerAuthentication(mesh.name, "STRICT")]);
    const pods = await getObjects("pods", "-n", mesh.name, "-l", "app=world");
    const { podIP }: { readonly podIP: string } = JSON.parse(JSON.stringify(pods[0]?.["status"]));
    await apply(selectorless(mesh.name, podIP));
    await expect.poll(() => inside.send({ url: `http://by-hand.${mesh.name}:8080/` }), SOON).toMatchObject(SERVED);
  });

  it("headless, and a pod's own address, lead there with mutual TLS too", async () => {
    const ports = [{ name: "http", port: 8080, targetPort: 8080 }];
    const metadata = { name: "headless", namespace: mesh.name };
    const spec = { clusterIP: "None", selector: { app: "world" }, ports };
    await apply([{ apiVersion: "v1", kind: "Service", metadata, spec }]);
    await expect.poll(() => inside.send({ url: `http://headless.${mesh.name}:8080/` }), SOON).toMatchObject(SERVED);
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
