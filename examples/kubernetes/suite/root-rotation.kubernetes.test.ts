import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ageOwnRoot, replaceAuthoritySecret } from "./authority-edits-fixture.ts";
import {
  dataOf,
  deleteRotationLeader,
  killRotationLeader,
  publishedRoots,
  readAuthoritySecret,
  readAuthorityStatus,
  readCertificates,
  requireOwnAuthority,
  storedPhase,
} from "./authority-fixture.ts";
import {
  createGatewayMesh,
  expectNoFailure,
  type GatewayMesh,
  installShortCertificates,
} from "./gateway-mesh-fixture.ts";
import { entente, installMesh, usesInstalledMesh } from "./installation.ts";
import { awaitRollout, getObjects, kubectl, podNames, SYSTEM } from "./kubectl-fixture.ts";

/** Of all certificates while this file runs. A rotation lasts several times as long. */
const LIFETIME = "30s";
const SOON = { timeout: 60_000, interval: 500 };
const PHASE_MS = 240_000;
const ROTATION_MS = 900_000;

let mesh: GatewayMesh;

beforeAll(async () => {
  if (usesInstalledMesh()) return;
  await requireOwnAuthority();
  // A rotation waits until the certificates from before have been renewed, and those last a day.
  await installShortCertificates(LIFETIME);
  mesh = await createGatewayMesh("rotation");
});

afterAll(async () => {
  await mesh?.remove();
  if (!usesInstalledMesh()) await installMesh();
});

const killLeader = () => killRotationLeader(mesh.outside.namespace, PHASE_MS);

async function untilPhase(phase: string): Promise<void> {
  await expect.poll(storedPhase, { timeout: PHASE_MS, interval: 500 }).toBe(phase);
  process.stdout.write(`${new Date().toISOString()} ${phase}\n`);
}

/** What each sidecar trusts, by SHA-256. */
async function rootsOfSidecars(): Promise<readonly (readonly string[])[]> {
  const names = await podNames(mesh.namespace, "app in (hello,world,client)");
  const reports = await Promise.all(names.map((pod) => readCertificates(mesh.namespace, pod)));
  return reports.map(({ roots }) => roots.map(({ sha256 }) => sha256));
}

async function requestRotation(): Promise<void> {
  expect(JSON.parse(await entente("ca", "rotate-root", "-o", "json"))).toMatchObject({ isNew: true });
}

async function rollBack(): Promise<void> {
  await entente("ca", "rotate-root", "--roll-back");
}

describe.skipIf(usesInstalledMesh())("a rotation of the mesh's root", () => {
  it("begins by the root's age and fails no request, although the control plane that leads is killed or deleted in each phase", {
    timeout: ROTATION_MS,
  }, async () => {
    const before = await publishedRoots(mesh.namespace);
    const results = await mesh.loadWhile(async () => {
      await ageOwnRoot();
      await untilPhase("published");
      expect((await readAuthorityStatus()).request).toBeUndefined();
      await killLeader();
      await deleteRotationLeader(PHASE_MS);
      await untilPhase("signing");
      await killLeader();
      await deleteRotationLeader(PHASE_MS);
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

  it("is rolled back on request in each phase, and fails no request, although the control plane that leads is killed on the way", {
    timeout: ROTATION_MS,
  }, async () => {
    const before = await publishedRoots(mesh.namespace);
    const results = await mesh.loadWhile(async () => {
      await requestRotation();
      await untilPhase("published");
      expect(await publishedRoots(mesh.namespace)).toEqual(expect.arrayContaining([...before]));
      await rollBack();
      await untilPhase("steady");
      expect((await readAuthorityStatus()).rotation).toMatchObject({ phase: "steady", rolledBack: "requested" });
      await expect.poll(() => publishedRoots(mesh.namespace), SOON).toEqual(before);
      await requestRotation();
      await untilPhase("signing");
      await rollBack();
      await untilPhase("withdrawing");
      await killLeader();
      await untilPhase("steady");
      await expect.poll(() => publishedRoots(mesh.namespace), SOON).toEqual(before);
    });
    expectNoFailure(results);
    await expect.poll(rootsOfSidecars, SOON).toEqual([before, before, before]);
    const { roots, proxies, rotation } = await readAuthorityStatus();
    expect(roots).toMatchObject([{ isSigning: true, leaves: proxies.connected }]);
    expect(rotation).toMatchObject({ phase: "steady", rolledBack: "requested" });
  });

  it("is not undone by a restored Secret: the control planes that run store theirs again, and no request fails", {
    timeout: ROTATION_MS,
  }, async () => {
    const old = await readAuthoritySecret();
    await entente("ca", "rotate-root", "--wait", "--timeout", "10m");
    const current = await readAuthoritySecret();
    const roots = await publishedRoots(mesh.namespace);
    const results = await mesh.loadWhile(async () => {
      await replaceAuthoritySecret(old);
      await expect.poll(async () => dataOf(await readAuthoritySecret()), SOON).toEqual(dataOf(current));
      await expect.poll(readLog, SOON).toMatch(/the one in force is stored again/);
      // One that starts, and a new pod, have the root in force.
      await deleteRotationLeader(PHASE_MS);
      await awaitRollout(SYSTEM, "istiod");
      await kubectl(["rollout", "restart", "deployment/world", "-n", mesh.namespace]);
      await awaitRollout(mesh.namespace, "world");
      expect(await publishedRoots(mesh.namespace)).toEqual(roots);
    });
    expectNoFailure(results);
    await expect.poll(async () => (await readAuthorityStatus()).problems, SOON).toEqual([]);
    await expect.poll(rootsOfSidecars, SOON).toEqual([roots, roots, roots]);

    // Where none runs, none starts with it, and the log says what to do.
    await scaleControlPlane(0);
    await replaceAuthoritySecret(old);
    await scaleControlPlane(2);
    await expect
      .poll(readLog, SOON)
      .toMatch(/restore the Secret that had it.*"the certificate authority cannot be opened/);
    await replaceAuthoritySecret(current);
    await awaitRollout(SYSTEM, "istiod");
    await expect.poll(rootsOfSidecars, SOON).toEqual([roots, roots, roots]);
  });
});

const readLog = () => kubectl(["logs", "-n", SYSTEM, "-l", "app=istiod", "--tail=-1", "--since=5m"]);

/** With 0 it waits until no pod is left. */
async function scaleControlPlane(replicas: number): Promise<void> {
  await kubectl(["scale", "deployment/istiod", "-n", SYSTEM, `--replicas=${replicas}`]);
  if (replicas > 0) return;
  const count = async () => (await getObjects("pods", "-n", SYSTEM, "-l", "app=istiod")).length;
  await expect.poll(count, SOON).toBe(0);
}
