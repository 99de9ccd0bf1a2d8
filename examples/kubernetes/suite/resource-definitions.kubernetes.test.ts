import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echoApplication, peerAuthentication } from "./applications-fixture.ts";
import { type ClientPod, createClient } from "./client-pod-fixture.ts";
import {
  apply,
  awaitRollout,
  createNamespace,
  getObjects,
  INJECTED,
  kubectl,
  podNames,
  SYSTEM,
  type TestNamespace,
} from "./kubectl-fixture.ts";

const CRD = "peerauthentications.security.istio.io";
const REFUSED = { error: "ECONNRESET" };
const SOON = { timeout: 60_000, interval: 1000 };

let mesh: TestNamespace;
let outside: TestNamespace;
let client: ClientPod;
let url: string;

// Deleting a resource definition deletes every object of its kind. The suite does that only to its own mesh.
describe.skipIf(process.env["ENTENTE_USE_INSTALLED"] === "true")("a resource definition", () => {
  beforeAll(async () => {
    mesh = await createNamespace("crd", INJECTED);
    outside = await createNamespace("crd-outside");
    await apply([...echoApplication(mesh.name, "world", { text: "world" }), peerAuthentication(mesh.name, "STRICT")]);
    client = await createClient(outside.name, "client");
    await awaitRollout(mesh.name, "world");
    url = `http://world.${mesh.name}:8080/`;
  });

  afterAll(async () => {
    await kubectl(["apply", "-k", "examples/kubernetes/crds"]);
    await Promise.all([mesh.remove(), outside.remove()]);
  });

  it("may be deleted, with its policies, and created again while the mesh runs: its policies are then in force", async () => {
    const send = () => client.send({ url });
    const replicas = await podNames(SYSTEM, "app=istiod");
    await expect.poll(send, SOON).toEqual(REFUSED);
    await kubectl(["delete", "crd", CRD, "--timeout=60s"]);
    await expect.poll(send, SOON).toMatchObject({ status: 200 });
    await kubectl(["apply", "-k", "examples/kubernetes/crds"]);
    await kubectl(["wait", "--for=condition=established", `crd/${CRD}`, "--timeout=60s"]);
    await apply([peerAuthentication(mesh.name, "STRICT")]);
    await expect.poll(send, SOON).toEqual(REFUSED);
    // No control plane was restarted for it.
    expect(await podNames(SYSTEM, "app=istiod")).toEqual(replicas);
    expect((await getObjects("pods", "-n", SYSTEM, "-l", "app=istiod")).map(restartsOf)).toEqual(replicas.map(() => 0));
  });
});

function restartsOf(pod: { readonly [field: string]: unknown }): number {
  const { containerStatuses }: { readonly containerStatuses: readonly { readonly restartCount: number }[] } =
    JSON.parse(JSON.stringify(pod["status"]));
  return containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
}
