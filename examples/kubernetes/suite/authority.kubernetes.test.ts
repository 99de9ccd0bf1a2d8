import { afterAll, beforeAll, expect, it } from "vitest";
import { type MintedCertificate, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { ownRoot, plugIn, unplug } from "./authority-edits-fixture.ts";
import { publishedRoots, readCertificates, requireOwnAuthority } from "./authority-fixture.ts";
import { awaitRollout, kubectl, podNames, SYSTEM } from "./kubectl-fixture.ts";
import { createWorld, type World } from "./world-fixture.ts";

const SOON = { timeout: 60_000, interval: 500 };
/** A new root is published for three minutes before it signs. */
const PUBLISHED = { timeout: 300_000, interval: 5000 };
const ROTATION_MS = 600_000;

let mesh: World;

beforeAll(async () => {
  await requireOwnAuthority();
  mesh = await createWorld("authority", { mode: "STRICT" });
});

afterAll(async () => {
  await unplug();
  await mesh?.remove();
});

async function countPublishedRoots(): Promise<number> {
  return (await publishedRoots(mesh.namespace)).length;
}

/** Whether every control plane signs with the certificate of the Secret `cacerts`. */
async function signsWithNewRoot(): Promise<boolean> {
  const pods = await podNames(SYSTEM, "app=istiod");
  const logs = await Promise.all(pods.map((pod) => kubectl(["logs", "-n", SYSTEM, pod, "--since=10m"])));
  return logs.every((text) => text.includes("the new signing certificate is in use"));
}

/** The length of the chain of a new pod: two with an intermediate. */
async function newChainLength(): Promise<number> {
  await kubectl(["rollout", "restart", "deployment/world", "-n", mesh.namespace]);
  await awaitRollout(mesh.namespace, "world");
  const [pod = ""] = await podNames(mesh.namespace, "app=world");
  return (await readCertificates(mesh.namespace, pod)).chain.length;
}

it("the mesh moves to its operator's authority and back while it runs, and no request fails", {
  timeout: ROTATION_MS,
}, async () => {
  const { pem, keyPem } = await ownRoot();
  const root: MintedCertificate = mintRoot({ commonName: "operator" });
  const signer = mintRoot({ commonName: "operator signer", issuer: root });
  const roots = [pem, root.pem];
  const result = await mesh.client.loadWhile({ url: mesh.url }, async () => {
    await plugIn({ certificate: signer.pem, key: signer.keyPem, roots });
    await expect.poll(countPublishedRoots, SOON).toBe(2);
    await expect.poll(signsWithNewRoot, PUBLISHED).toBe(true);
    await expect.poll(newChainLength, SOON).toBe(2);
    await plugIn({ certificate: pem, key: keyPem, roots });
    await expect.poll(newChainLength, SOON).toBe(1);
    await unplug();
    await expect.poll(countPublishedRoots, SOON).toBe(1);
  });
  expect(result.failures).toEqual({});
  expect(result.succeeded).toBeGreaterThan(1000);
});
