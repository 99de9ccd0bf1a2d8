import { X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { until } from "../net/until-fixture.ts";
import {
  createClusterMesh,
  createFileMesh,
  outcome,
  type Pair,
  REFUSED,
  type RevocationMesh,
  revoke,
  SERVED,
  unrevoke,
  Workload,
} from "./revocation-fixture.ts";
import type { AssembledControlPlane } from "./whole-control-plane-fixture.ts";

const cleanup = new Cleanup();
let end: AbortController;
beforeEach(() => {
  end = new AbortController();
  cleanup.add(() => end.abort());
});
afterEach(() => cleanup.run());

const SECONDS = { timeout: 8000 };
const REVOKED = expect.stringContaining("is revoked");

async function start(mesh: RevocationMesh): Promise<AssembledControlPlane> {
  const plane = await mesh.start();
  await plane.ready;
  return plane;
}

/** A pod whose token the control plane accepts. */
async function addPod(mesh: RevocationMesh, name: string, address: string, account?: string): Promise<Workload> {
  mesh.addPod(name, account);
  const workload = new Workload(mesh, name, account);
  await until(async () => (await outcome(workload.request(address))) === SERVED);
  return workload;
}

/** Gets certificates by token, and of each one more by itself, if it may. */
async function collect(workload: Workload, address: string, count: number): Promise<readonly Pair[]> {
  const byToken = await Promise.all(Array.from({ length: count }, () => workload.request(address)));
  const [first] = byToken;
  if (first === undefined) return [];
  await until(async () => (await outcome(workload.renew(address, first))) === SERVED);
  return [...byToken, ...(await Promise.all(byToken.map((pair) => workload.renew(address, pair))))];
}

describe.each([
  { home: "files", create: createFileMesh },
  { home: "a cluster", create: createClusterMesh },
])("a pod that is revoked in a mesh of $home", ({ create }) => {
  it("has none of its certificates accepted, issued before a restart of all control planes or after; its siblings have", async () => {
    const mesh = await create(cleanup);
    const issuing = await start(mesh);
    const hostile = await addPod(mesh, "hostile", issuing.address);
    const pairs = await collect(hostile, issuing.address, 3);
    await issuing.stop();

    const { address } = await start(mesh);
    const sibling = await addPod(mesh, "sibling", address, "hostile");
    const [own, others] = [await hostile.request(address), await sibling.request(address)];
    const cut = await hostile.stream(address, own, end.signal);
    const open = await sibling.stream(address, others, end.signal);
    let isClosed = false;
    void open.closed.then(() => {
      isClosed = true;
    });
    await revoke(mesh.store, mesh.podTarget("hostile"));
    await cut.closed;
    for (const pair of [own, ...pairs]) {
      expect(await outcome(hostile.stream(address, pair, end.signal))).toEqual(REVOKED);
      expect(await outcome(hostile.renew(address, pair))).toBe(REFUSED);
    }
    expect(await outcome(hostile.request(address, own))).toBe(REFUSED);
    // All of it is one entry, and one tag for every proxy.
    expect((await mesh.store.read()).revocations).toHaveLength(1);
    expect((await open.proxy.trustBundle()).revocations).toMatchObject({ certificates: [], pods: [expect.anything()] });
    // In a cluster it is known by its address, as soon as that is.
    await expect.poll(() => outcome(sibling.request(address)), SECONDS).toBe(SERVED);
    expect([isClosed, await outcome(sibling.stream(address, others, end.signal))]).toEqual([false, SERVED]);
    await unrevoke(mesh.store, mesh.podTarget("hostile"));
    await expect.poll(() => outcome(hostile.request(address)), SECONDS).toBe(SERVED);
  }, 30_000);
});

describe("in a cluster", () => {
  it("a pod that is deleted is revoked by the uid in the line of its certificate, and a later one of its name is not", async () => {
    const mesh = await createClusterMesh(cleanup);
    const issuing = await start(mesh);
    const workload = await addPod(mesh, "hello", issuing.address);
    const { chain, keyPem } = await workload.request(issuing.address);
    const { serialNumber } = new X509Certificate(chain[0] ?? "");
    const line = issuing.log.records.find(({ fields }) => fields["serialNumber"] === serialNumber);
    const target = mesh.podTarget("hello");
    const { kind: _, ...pod } = target;
    expect(line?.fields).toMatchObject({ code: "issued", pod });
    mesh.deletePod("hello");
    const { address } = issuing;
    const later = await addPod(mesh, "hello", address, "hello");
    expect(mesh.podTarget("hello")).not.toEqual(target);
    await revoke(mesh.store, target);
    await expect.poll(() => outcome(workload.stream(address, { chain, keyPem }, end.signal)), SECONDS).toEqual(REVOKED);
    const pair = await later.request(address);
    expect(await outcome(later.stream(address, pair, end.signal))).toBe(SERVED);
    await until(async () => (await outcome(later.renew(address, pair))) === SERVED);
  });
});
