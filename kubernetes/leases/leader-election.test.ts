import fc from "fast-check";
import { expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesObject } from "../kubernetes-api.ts";
import { ElectionHarness, LEASE } from "./election-fixture.ts";
import { readLease } from "./lease-record.ts";

const LEASE_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
/** The pause between two attempts, with its jitter. */
const RETRY_MS = 2400;

function holderOf({ lease }: ElectionHarness): string {
  return lease === undefined ? "" : readLease(lease).holder;
}

it("one of two candidates leads, and keeps leading", async () => {
  const harness = new ElectionHarness();
  for (const name of ["a", "b"]) harness.start(name);
  await harness.clock.advance(60_000);
  expect(harness.terms).toHaveLength(1);
  expect(holderOf(harness)).toMatch(new RegExp(`^${harness.leaders[0]}_[0-9a-f]{16}$`));
});

it("a leader that stops releases its lease: another one leads at its next attempt", async () => {
  const harness = new ElectionHarness();
  const a = harness.start("a");
  await settlePromises();
  harness.start("b");
  await harness.clock.advance(30_000);
  expect(harness.leaders).toEqual(["a"]);
  await a.stop();
  await a.ended;
  expect(holderOf(harness)).toBe("");
  await harness.clock.advance(RETRY_MS);
  expect(harness.leaders).toEqual(["b"]);
  expect(harness.mostAtOnce).toBe(1);
});

it("the lease is released only when the leader's work has ended", async () => {
  const harness = new ElectionHarness();
  const a = harness.start("a", { slowMs: 5000 });
  await settlePromises();
  harness.start("b");
  await harness.clock.advance(30_000);
  await a.stop();
  await harness.clock.advance(4000);
  expect([harness.leaders, holderOf(harness)]).toEqual([["a"], expect.stringContaining("a_")]);
  await harness.clock.advance(1000 + RETRY_MS);
  expect(harness.leaders).toEqual(["b"]);
  expect(harness.mostAtOnce).toBe(1);
});

it.each(["refuses", "hangs"] as const)("a leader whose network %s stops before another may begin", async (network) => {
  const harness = new ElectionHarness();
  const a = harness.start("a");
  await settlePromises();
  harness.start("b");
  await harness.clock.advance(30_000);
  a.network = network;
  const cutMs = harness.clock.monotonicMs();
  await harness.clock.advance(LEASE_MS + 2 * RETRY_MS);
  const [first, second] = harness.terms;
  expect([first?.who, second?.who]).toEqual(["a", "b"]);
  expect((first?.untilMs ?? 0) - cutMs).toBeLessThanOrEqual(RENEW_DEADLINE_MS);
  expect((second?.fromMs ?? 0) - (first?.untilMs ?? 0)).toBeGreaterThanOrEqual(LEASE_MS - RENEW_DEADLINE_MS);
  expect(a.leadership?.isCurrent()).toBe(false);
  expect(a.log.find("lease_lost")).toHaveLength(1);
  a.network = "up";
  a.releaseCalls();
  await harness.clock.advance(60_000);
  expect(harness.leaders).toEqual(["b"]);
  expect(harness.mostAtOnce).toBe(1);
});

it.each([-86_400_000, 86_400_000])("a wall clock that is wrong by %d ms takes no lease early", async (clockOffMs) => {
  const harness = new ElectionHarness();
  harness.start("a");
  await settlePromises();
  harness.start("b", { clockOffMs });
  await harness.clock.advance(120_000);
  expect(harness.terms.map(({ who }) => who)).toEqual(["a"]);
});

it("while the API is away nobody leads, and afterwards one does", async () => {
  const harness = new ElectionHarness();
  const all = ["a", "b", "c"].map((name) => harness.start(name));
  await harness.clock.advance(10_000);
  for (const one of all) one.network = "refuses";
  await harness.clock.advance(RENEW_DEADLINE_MS);
  expect(harness.leaders).toEqual([]);
  await harness.clock.advance(120_000);
  expect(harness.leaders).toEqual([]);
  // Not a line each attempt.
  expect(all.map(({ log }) => log.find("cannot stand for leader").length)).toEqual([1, 1, 1]);
  for (const one of all) one.network = "up";
  await harness.clock.advance(LEASE_MS);
  expect(harness.leaders).toHaveLength(1);
  expect(harness.mostAtOnce).toBe(1);
});

it.each([
  { name: "is deleted", act: (harness: ElectionHarness) => harness.cluster.delete(KINDS.leases, LEASE) },
  {
    name: "is taken by force",
    act: (harness: ElectionHarness) => harness.edit((lease) => withSpec(lease, { holderIdentity: "thief" })),
  },
])("a leader stops when its lease $name", async ({ act }) => {
  const harness = new ElectionHarness();
  const a = harness.start("a");
  await harness.clock.advance(10_000);
  act(harness);
  await harness.clock.advance(2000);
  expect(harness.leaders).toEqual([]);
  expect(a.leadership?.signal.aborted).toBe(true);
  await harness.clock.advance(LEASE_MS + 2 * RETRY_MS);
  expect(harness.leaders).toEqual(["a"]);
});

it("somebody's annotation on the Lease, and what else its specification has, stay", async () => {
  const harness = new ElectionHarness();
  harness.start("a");
  await harness.clock.advance(10_000);
  harness.edit((lease) => ({
    ...withSpec(lease, { strategy: "OldestEmulationVersion" }),
    metadata: { ...lease.metadata, annotations: { note: "kept" } },
  }));
  await harness.clock.advance(30_000);
  expect(harness.terms).toHaveLength(1);
  expect(harness.leaders).toEqual(["a"]);
  expect(harness.lease).toMatchObject({
    metadata: { annotations: { note: "kept" } },
    spec: { strategy: "OldestEmulationVersion" },
  });
});

it("a Lease that somebody else keeps renewing is never taken", async () => {
  const harness = new ElectionHarness();
  harness.cluster.create(KINDS.leases, {
    ...{ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: LEASE },
    spec: { holderIdentity: "other", leaseDurationSeconds: 15, renewTime: "2001-01-01T00:00:00.000000Z" },
  });
  harness.start("a");
  for (let turn = 0; turn < 10; turn += 1) {
    await harness.clock.advance(14_000);
    harness.edit((lease) => withSpec(lease, { renewTime: `2001-01-01T00:00:${10 + turn}.000000Z` }));
  }
  expect(harness.terms).toEqual([]);
  await harness.clock.advance(LEASE_MS + 2 * RETRY_MS);
  expect(harness.leaders).toEqual(["a"]);
  expect(harness.lease && readLease(harness.lease).transitions).toBe(1);
});

it("a lease whose response was lost is recognised as one's own", async () => {
  const harness = new ElectionHarness();
  const a = harness.start("a");
  await settlePromises();
  await a.stop();
  const b = harness.start("b");
  b.network = "loses responses";
  await harness.clock.advance(RETRY_MS);
  expect([harness.leaders, holderOf(harness)]).toEqual([[], expect.stringContaining("b_")]);
  b.network = "up";
  await harness.clock.advance(RETRY_MS);
  expect(harness.leaders).toEqual(["b"]);
  // The same for renewals.
  b.network = "loses responses";
  await harness.clock.advance(4000);
  b.network = "up";
  await harness.clock.advance(60_000);
  expect(harness.terms).toHaveLength(2);
});

it("a restarted process does not take the lease of the one before it for its own", async () => {
  const harness = new ElectionHarness();
  const killed = harness.start("a");
  await settlePromises();
  killed.network = "refuses";
  harness.start("a");
  await harness.clock.advance(RENEW_DEADLINE_MS - 100);
  expect(harness.terms).toHaveLength(1);
  await harness.clock.advance(LEASE_MS + 2 * RETRY_MS);
  expect(harness.terms).toHaveLength(2);
  expect(harness.mostAtOnce).toBe(1);
});

it("a process that was suspended knows at once that it may lead no more", async () => {
  const harness = new ElectionHarness();
  const a = harness.start("a");
  await harness.clock.advance(10_000);
  expect(a.leadership?.isCurrent()).toBe(true);
  harness.clock.jump(RENEW_DEADLINE_MS);
  expect(a.leadership?.isCurrent()).toBe(false);
  await harness.clock.advance(2000);
  expect(a.leadership?.isCurrent()).toBe(true);
});

it("work that fails is reported and gives the lease away", async () => {
  const harness = new ElectionHarness();
  const a = harness.start("a", { fault: new Error("out of order") });
  await settlePromises();
  expect(holderOf(harness)).toBe("");
  expect(a.log.find("out of order")).toHaveLength(1);
  await harness.clock.advance(RETRY_MS);
  expect(harness.leaders).toEqual(["a"]);
});

it("a candidate that never led ends at once", async () => {
  const harness = new ElectionHarness();
  harness.start("a");
  await harness.clock.advance(5000);
  const b = harness.start("b");
  await harness.clock.advance(5000);
  await b.stop();
  await b.ended;
  expect(harness.leaders).toEqual(["a"]);
});

it("whatever happens to the network, never do two lead", async () => {
  const networks = fc.constantFrom("up", "refuses", "hangs", "loses responses" as const);
  const events = fc.array(
    fc.record({ who: fc.nat(2), network: networks, waitMs: fc.integer({ min: 0, max: 20_000 }) }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(events, async (changes) => {
      const harness = new ElectionHarness();
      const all = ["a", "b", "c"].map((name, index) => harness.start(name, { clockOffMs: index * 3_600_000 }));
      for (const { who, network, waitMs } of changes) {
        const one = all[who];
        if (one !== undefined) {
          one.network = network;
          one.releaseCalls();
        }
        await harness.clock.advance(waitMs);
      }
      for (const one of all) {
        one.network = "up";
        one.releaseCalls();
      }
      await harness.clock.advance(LEASE_MS + 3 * RETRY_MS);
      expect(harness.mostAtOnce).toBeLessThanOrEqual(1);
      expect(harness.leaders).toHaveLength(1);
    }),
    { numRuns: 40 },
  );
});

function withSpec(lease: KubernetesObject, changes: Readonly<Record<string, unknown>>): KubernetesObject {
  const spec = lease["spec"];
  return { ...lease, spec: { ...(typeof spec === "object" && spec), ...changes } };
}
