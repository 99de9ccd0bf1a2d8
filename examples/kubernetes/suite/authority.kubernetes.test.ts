import { afterAll, beforeAll, expect, it } from "vitest";
import { type MintedCertificate, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import {
  dataOf,
  publishedRoots,
  readAuthoritySecret,
  readCertificates,
  requireOwnAuthority,
} from "./authority-fixture.ts";
import { apply, awaitRollout, kubectl, podNames, SYSTEM } from "./kubectl-fixture.ts";
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
  await kubectl(["delete", "secret", "cacerts", "-n", SYSTEM, "--ignore-not-found"]);
  await mesh?.remove();
});

interface Pem {
  readonly certificate: string;
  readonly key: string;
}

async function ownAuthority(): Promise<Pem> {
  const data = dataOf(await readAuthoritySecret());
  const read = (name: string): string => Buffer.from(data[name] ?? "", "base64").toString();
  return { certificate: read("ca-cert.pem"), key: read("ca-key.pem") };
}

async function plugIn({ certificate, key }: Pem, roots: readonly string[]): Promise<void> {
  const texts = {
    "ca-cert.pem": certificate,
    "ca-key.pem": key,
    "root-cert.pem": roots.join(""),
    "cert-chain.pem": certificate,
  };
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString("base64")]),
  );
  await apply([{ apiVersion: "v1", kind: "Secret", metadata: { name: "cacerts", namespace: SYSTEM }, data }]);
}

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
  const own = await ownAuthority();
  const root: MintedCertificate = mintRoot({ commonName: "operator" });
  const signer = mintRoot({ commonName: "operator signer", issuer: root });
  const roots = [own.certificate, root.pem];
  const result = await mesh.client.loadWhile({ url: mesh.url }, async () => {
    await plugIn({ certificate: signer.pem, key: signer.keyPem }, roots);
    await expect.poll(countPublishedRoots, SOON).toBe(2);
    await expect.poll(signsWithNewRoot, PUBLISHED).toBe(true);
    await expect.poll(newChainLength, SOON).toBe(2);
    await plugIn(own, roots);
    await expect.poll(newChainLength, SOON).toBe(1);
    await kubectl(["delete", "secret", "cacerts", "-n", SYSTEM]);
    await expect.poll(countPublishedRoots, SOON).toBe(1);
  });
  expect(result.failures).toEqual({});
  expect(result.succeeded).toBeGreaterThan(1000);
});
