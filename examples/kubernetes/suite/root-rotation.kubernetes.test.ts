import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echoApplication, gatewayTo } from "./applications-fixture.ts";
import {
  publishedRoots,
  readAuthoritySecret,
  readAuthorityStatus,
  readCertificates,
  replaceAuthoritySecret,
  replaceRotationLeader,
  requireOwnAuthority,
} from "./authority-fixture.ts";
import type { LoadResult } from "./client-pod-fixture.ts";
import { entente, installMesh, usesInstalledMesh } from "./installation.ts";
import { apply, awaitRollout, kubectl, podNames, SYSTEM } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld, type World } from "./world-fixture.ts";

/** Of all certificates while this file runs. A rotation lasts several times as long. */
const LIFETIME = "30s";
const SOON = { timeout: 60_000, interval: 500 };
const PHASE_MS = 240_000;
const ROTATION_MS = 900_000;

let mesh: World;
let outside: ClientNamespace;

beforeAll(async () => {
  if (usesInstalledMesh()) return;
  await requireOwnAuthority();
  await installMesh(`certificates.lifetime=${LIFETIME}`, `certificates.maxLifetime=${LIFETIME}`);
  // A rotation waits until the certificates from before have been renewed, and those last a day.
  await kubectl(["rollout", "restart", "deployment/istio-ingressgateway", "-n", SYSTEM]);
  await awaitRollout(SYSTEM, "istio-ingressgateway");
  mesh = await createWorld("rotation", { mode: "STRICT" });
  const { namespace } = mesh;
  await apply([
    ...echoApplication(namespace, "hello", { text: "hello", next: `world.${namespace}:8080` }),
    ...gatewayTo(namespace, "hello"),
  ]);
  outside = await createOutsider();
  await awaitRollout(namespace, "hello");
});

afterAll(async () => {
  await Promise.all([mesh?.remove(), outside?.remove()]);
  if (!usesInstalledMesh()) await installMesh();
});

function throughGateway() {
  return {
    url: `http://istio-ingressgateway.${SYSTEM}/`,
    headers: { host: `${mesh.namespace}.example.com` },
    pauseMs: 50,
  };
}

/** Sends requests from hello to world, for a client in the mesh and for one behind the gateway, while `work` runs. */
async function loadWhile(work: () => Promise<void>): Promise<readonly LoadResult[]> {
  const results: LoadResult[] = [];
  const inside = { url: `http://hello.${mesh.namespace}:8080/`, pauseMs: 50 };
  const fromOutside = async () => void results.push(await outside.client.loadWhile(throughGateway(), work));
  results.push(await mesh.client.loadWhile(inside, fromOutside));
  return results;
}

function expectNoFailure(results: readonly LoadResult[]): void {
  process.stdout.write(`${results.map(({ succeeded }) => succeeded).join(" and ")} requests succeeded\n`);
  expect(results.map(({ failures }) => failures)).toEqual([{}, {}]);
  for (const { succeeded } of results) expect(succeeded).toBeGreaterThan(100);
}

async function untilPhase(phase: string): Promise<void> {
  const current = async () => (await readAuthorityStatus()).rotation?.phase;
  await expect.poll(current, { timeout: PHASE_MS, interval: 1000 }).toBe(phase);
  process.stdout.write(`${new Date().toISOString()} ${phase}\n`);
}

/** What each sidecar trusts, by SHA-256. */
async function rootsOfSidecars(): Promise<readonly (readonly string[])[]> {
  const names = await podNames(mesh.namespace, "app in (hello,world,client)");
  const reports = await Promise.all(names.map((pod) => readCertificates(mesh.namespace, pod)));
  return reports.map(({ roots }) => roots.map(({ sha256 }) => sha256));
}

describe.skipIf(usesInstalledMesh())("a rotation of the mesh's root", () => {
  it("fails no request, although the control plane that leads is deleted in each phase", {
    timeout: ROTATION_MS,
  }, async () => {
    await expect.poll(() => outside.client.send(throughGateway()), SOON).toMatchObject({ status: 200 });
    const before = await publishedRoots(mesh.namespace);
    const results = await loadWhile(async () => {
      const { isNew } = JSON.parse(await entente("ca", "rotate-root", "-o", "json"));
      expect(isNew).toBe(true);
      await untilPhase("published");
      expect(await publishedRoots(mesh.namespace)).toEqual(expect.arrayContaining([...before]));
      await replaceRotationLeader(PHASE_MS);
      await untilPhase("signing");
      await replaceRotationLeader(PHASE_MS);
      await untilPhase("steady");
      await expect.poll(() => publishedRoots(mesh.namespace), SOON).toHaveLength(1);
    });
    expectNoFailure(results);
    const [root = "none"] = await publishedRoots(mesh.namespace);
    expect(before).not.toContain(root);
    await expect.poll(rootsOfSidecars, SOON).toEqual([[root], [root], [root]]);
    const { roots, proxies } = await readAuthorityStatus();
    const all = { trustedBy: proxies.connected, leaves: proxies.connected };
    expect(roots).toMatchObject([{ fingerprint: root, isSigning: true, ...all }]);
  });

  it("is not undone by a restored Secret: it is refused with the fix, no control plane starts with it, and no request fails", {
    timeout: ROTATION_MS,
  }, async () => {
    const old = await readAuthoritySecret();
    await entente("ca", "rotate-root", "--wait", "--timeout", "10m");
    const current = await readAuthoritySecret();
    const roots = await publishedRoots(mesh.namespace);
    const log = () => kubectl(["logs", "-n", SYSTEM, "-l", "app=istiod", "--tail=-1", "--since=5m"]);
    const results = await loadWhile(async () => {
      await replaceAuthoritySecret(old);
      try {
        await expect.poll(log, SOON).toMatch(/as from a restored backup.*"the changed authority is refused/);
        const [pod = "none"] = await podNames(SYSTEM, "app=istiod");
        await kubectl(["delete", "pod", pod, "-n", SYSTEM]);
        await expect
          .poll(log, SOON)
          .toMatch(/restore the Secret that had it.*"the certificate authority cannot be opened yet/);
        // A new pod gets a certificate of the root in force, by the control plane that is left.
        await kubectl(["rollout", "restart", "deployment/world", "-n", mesh.namespace]);
        await awaitRollout(mesh.namespace, "world");
        expect(await publishedRoots(mesh.namespace)).toEqual(roots);
      } finally {
        await replaceAuthoritySecret(current);
      }
      await awaitRollout(SYSTEM, "istiod");
    });
    expectNoFailure(results);
    await expect.poll(async () => (await readAuthorityStatus()).problems, SOON).toEqual([]);
    await expect.poll(rootsOfSidecars, SOON).toEqual([roots, roots, roots]);
  });
});
