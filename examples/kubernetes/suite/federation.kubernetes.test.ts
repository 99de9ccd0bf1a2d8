import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { ownRoot } from "./authority-edits-fixture.ts";
import { requireOwnAuthority } from "./authority-fixture.ts";
import { authorizationPolicy, HELD_PORTS, heldServer } from "./authorization-fixture.ts";
import { distrustWebRoot, mintWebRoot, startBundleEndpoint, trustWebRoot } from "./bundle-endpoint-fixture.ts";
import type { HeldExchange } from "./client-pod-fixture.ts";
import { applyForeignService, type ForeignMesh, startForeignMesh } from "./foreign-mesh-fixture.ts";
import { installMesh, installMeshFrom, usesInstalledMesh } from "./installation.ts";
import { apply, awaitRollout, remove } from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider, createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

/** The installed mesh; another mesh with a control plane, sidecars and a list of roots; one whose roots a URL has. */
const [EAST, WEST, NORTH] = ["east.example", "west.example", "north.example"] as const;
const SOON = { timeout: 60_000, interval: 500 };
const DENIED = { status: 403, body: "RBAC: access denied" };

const north = mintRoot({ commonName: "north" });
let east: World;
let west: ForeignMesh;
let outside: ClientNamespace;

beforeAll(async () => {
  if (usesInstalledMesh()) return;
  await requireOwnAuthority();
  outside = await createOutsider();
  const { pem } = await ownRoot();
  west = await startForeignMesh({ trustDomain: WEST, peer: { trustDomains: [EAST], pem } });
  const web = mintWebRoot();
  const spiffeBundleUrl = await startBundleEndpoint(outside.namespace, [north], web);
  await trustWebRoot(web);
  await installEast({ trustDomains: [WEST], pem: west.root.pem }, { trustDomains: [NORTH], spiffeBundleUrl });
  east = await createWorld("federation", { mode: "STRICT" });
  await apply(heldServer(east.namespace, "held"));
  await awaitRollout(east.namespace, "held");
  await connectMeshes();
});

afterAll(async () => {
  if (usesInstalledMesh()) return;
  await Promise.all([east?.remove(), west?.remove(), outside?.remove()]);
  await distrustWebRoot();
  await installMesh();
});

async function installEast(...caCertificates: readonly object[]): Promise<void> {
  await installMeshFrom({ trustDomain: EAST, trustDomainAliases: ["cluster.local"], caCertificates });
}

/** Makes the applications of each mesh known in the other one. */
async function connectMeshes(): Promise<void> {
  const reached = await Promise.all([
    applyForeignService({
      ...{ namespace: west.namespace, name: "world", of: { namespace: east.namespace, app: "world" } },
      ...{ ports: [{ name: "http", port: 8080 }], identity: identityOf(EAST, east.namespace) },
    }),
    applyForeignService({
      ...{ namespace: west.namespace, name: "held", of: { namespace: east.namespace, app: "held" } },
      ...{ ports: [{ name: "tcp", port: HELD_PORTS.tcp }], identity: identityOf(EAST, east.namespace) },
    }),
  ]);
  await west.configure(reached.flatMap(({ objects, rule }) => [...objects, rule]));
  const { rule } = await applyForeignService({
    ...{ namespace: east.namespace, name: "shop", of: { namespace: west.namespace, app: "shop" } },
    ...{ ports: [{ name: "http", port: 8080 }], identity: identityOf(WEST, west.namespace) },
  });
  await apply([rule]);
}

function identityOf(trustDomain: string, namespace: string, account = "default"): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`;
}

const opened: HeldExchange[] = [];
const applied: KubernetesObject[] = [];

afterEach(async () => {
  for (const { stop } of opened) stop();
  await Promise.all(opened.splice(0).map(({ ended }) => ended));
  await remove(applied.splice(0));
});

async function keep(started: Promise<HeldExchange>): Promise<HeldExchange> {
  const held = await started;
  opened.push(held);
  return held;
}

const fromWest = () => west.client.send({ url: `http://world.${west.namespace}:8080/` });
const fromEast = () => east.client.send({ url: `http://shop.${east.namespace}:8080/` });
const holdFromWest = () =>
  keep(west.client.hold({ kind: "tcp", host: `held.${west.namespace}`, port: HELD_PORTS.tcp }));

/** A client without a sidecar, with a certificate of this issuer. */
function holdWith(issuer: MintedCertificate, identity: string): Promise<HeldExchange> {
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const { pem: certificate, keyPem: key } = mintLeaf({ issuer, uriSans: [identity], ...times });
  const at = { host: `held.${east.namespace}`, port: HELD_PORTS.tcp };
  return keep(outside.client.hold({ kind: "tcp", ...at, certificate, key }));
}

async function allow(app: string, source: object): Promise<void> {
  const selector = { matchLabels: { app } };
  const policy = authorizationPolicy(east.namespace, app, { selector, rules: [{ from: [{ source }] }] });
  await apply([policy]);
  applied.push(policy);
}

const NORTH_CLIENT = identityOf(NORTH, "shop", "web");

describe.skipIf(usesInstalledMesh())("workloads of foreign trust domains", () => {
  it("are served, both ways, and each authority counts for its own domain alone", async () => {
    await expect.poll(fromWest, SOON).toMatchObject(WORLD_REPLY);
    await expect.poll(fromEast, SOON).toMatchObject({ status: 200, body: "shop" });
    const isServed = async (issuer: MintedCertificate, identity: string) => (await holdWith(issuer, identity)).isOpen;
    await expect.poll(() => isServed(north, NORTH_CLIENT), SOON).toBe(true);
    expect(await isServed(north, identityOf(WEST, west.namespace))).toBe(false);
    expect(await isServed(north, identityOf(EAST, east.namespace))).toBe(false);
    expect(await isServed(west.root, NORTH_CLIENT)).toBe(false);
  });

  it("are allowed only by rules that name their domain", async () => {
    await allow("world", { namespaces: [west.namespace, "shop"] });
    await expect.poll(fromWest, SOON).toMatchObject(DENIED);
    await allow("world", { principals: [identityOf(WEST, west.namespace).slice("spiffe://".length)] });
    await expect.poll(fromWest, SOON).toMatchObject(WORLD_REPLY);
    expect(await east.client.send({ url: east.url })).toMatchObject(DENIED);
    await allow("held", { principals: [NORTH_CLIENT.slice("spiffe://".length)] });
    const isWestServed = async () => (await holdFromWest()).isOpen;
    await expect.poll(isWestServed, SOON).toBe(false);
    expect(await holdWith(north, NORTH_CLIENT)).toMatchObject({ isOpen: true });
  });

  it("are cut off when the trust is withdrawn, and no request within the mesh fails", {
    timeout: 300_000,
  }, async () => {
    await expect.poll(async () => (await holdFromWest()).isOpen, SOON).toBe(true);
    const held = [await holdFromWest(), await holdWith(north, NORTH_CLIENT)];
    expect(held.map(({ isOpen }) => isOpen)).toEqual([true, true]);
    const { failures, succeeded } = await east.client.loadWhile({ url: east.url, pauseMs: 50 }, async () => {
      await installEast();
      for (const { ended } of held) expect(await ended).toMatch(/^(ECONNRESET|end of stream)$/);
      await expect.poll(fromWest, SOON).toMatchObject({ status: 503 });
      await expect.poll(fromEast, SOON).toMatchObject({ status: 503 });
      expect(await holdWith(north, NORTH_CLIENT)).toMatchObject({ isOpen: false });
    });
    expect(failures).toEqual({});
    expect(succeeded).toBeGreaterThan(100);
  });
});
