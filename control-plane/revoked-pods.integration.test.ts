import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import {
  addWorkload,
  outcome,
  type Pair,
  REFUSED,
  SERVED,
  untilServed,
  type Workload,
} from "./calling-workload-fixture.ts";
import { createClusterMesh, createFileMesh, revoke, startReady, unrevoke } from "./revocation-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const REVOKED = expect.stringContaining("is revoked");

/** Gets certificates by token, and of each one more by itself, if it may. */
async function collect(workload: Workload, address: string, count: number): Promise<readonly Pair[]> {
  const byToken = await Promise.all(Array.from({ length: count }, () => workload.request(address)));
  const [first] = byToken;
  if (first === undefined) return [];
  await untilServed(() => workload.renew(address, first));
  return [...byToken, ...(await Promise.all(byToken.map((pair) => workload.renew(address, pair))))];
}

describe.each([
  { home: "files", create: createFileMesh },
  { home: "a cluster", create: createClusterMesh },
])("a pod that is revoked in a mesh of $home", ({ create }) => {
  it("has none of its certificates accepted, issued before a restart of all control planes or after; its siblings have", async () => {
    const mesh = await create(cleanup);
    const issuing = await startReady(mesh);
    const hostile = await addWorkload(mesh, "hostile", issuing.address);
    const pairs = await collect(hostile, issuing.address, 3);
    await issuing.stop();

    const { address } = await startReady(mesh);
    const sibling = await addWorkload(mesh, "sibling", address, "hostile");
    const [own, others] = [await hostile.request(address), await sibling.request(address)];
    const cut = await hostile.stream(address, own);
    const open = await sibling.stream(address, others);
    let isClosed = false;
    void open.closed.then(() => {
      isClosed = true;
    });
    await revoke(mesh.store, mesh.podTarget("hostile"));
    await cut.closed;
    for (const pair of [own, ...pairs]) {
      expect(await outcome(hostile.stream(address, pair))).toEqual(REVOKED);
      expect(await outcome(hostile.renew(address, pair))).toBe(REFUSED);
    }
    expect(await outcome(hostile.request(address, own))).toBe(REFUSED);
    // All of it is one entry, and one tag for every proxy.
    expect((await mesh.store.read()).revocations).toHaveLength(1);
    expect((await open.proxy.trustBundle()).revocations).toMatchObject({ certificates: [], pods: [expect.anything()] });
    // In a cluster it is known by its address, as soon as that is.
    await expect.poll(() => outcome(sibling.request(address))).toBe(SERVED);
    expect([isClosed, await outcome(sibling.stream(address, others))]).toEqual([false, SERVED]);
    await unrevoke(mesh.store, mesh.podTarget("hostile"));
    await expect.poll(() => outcome(hostile.request(address))).toBe(SERVED);
  });
});

describe("in a cluster", () => {
  it("a pod that is deleted is revoked by the uid in the line of its certificate, and a later one of its name is not", async () => {
    const mesh = await createClusterMesh(cleanup);
    const issuing = await startReady(mesh);
    const workload = await addWorkload(mesh, "hello", issuing.address);
    const { chain, keyPem } = await workload.request(issuing.address);
    const { serialNumber } = new X509Certificate(chain[0] ?? "");
    const line = issuing.log.records.find(({ fields }) => fields["serialNumber"] === serialNumber);
    const target = mesh.podTarget("hello");
    const { kind: _, ...pod } = target;
    expect(line?.fields).toMatchObject({ code: "issued", pod });
    mesh.deletePod("hello");
    const { address } = issuing;
    const later = await addWorkload(mesh, "hello", address, "hello");
    expect(mesh.podTarget("hello")).not.toEqual(target);
    await revoke(mesh.store, target);
    await expect.poll(() => outcome(workload.stream(address, { chain, keyPem }))).toEqual(REVOKED);
    const pair = await later.request(address);
    expect(await outcome(later.stream(address, pair))).toBe(SERVED);
    await untilServed(() => later.renew(address, pair));
  });
});
