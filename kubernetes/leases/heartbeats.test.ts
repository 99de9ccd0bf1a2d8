import { afterEach, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { InProcessApi } from "../test-server/in-process-api.ts";
import { TestCluster } from "../test-server/test-cluster.ts";
import { type FollowedHeartbeats, followHeartbeats } from "./follow-heartbeats.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeats.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const NAMESPACE = "mesh";
const TIMES = { intervalMs: 10_000, leaseMs: 60_000 };

/** Processes with a heartbeat, and one that follows them. */
class HeartbeatHarness {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  readonly log = new RecordingLogger();
  readonly away = new Set<string>();
  readonly #apis: InProcessApi[] = [];

  constructor() {
    this.cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  }

  start(name: string, says: () => string = () => name): Heartbeat & { stop(): void } {
    const stop = new AbortController();
    cleanup.add(() => stop.abort());
    const heartbeat = startHeartbeat({
      ...this.#shared(name),
      ...{ lease: { namespace: NAMESPACE, name }, instance: name, labels: { part: "test" }, signal: stop.signal },
      annotations: () => ({ says: says() }),
    });
    return { ...heartbeat, stop: () => stop.abort() };
  }

  follow(): FollowedHeartbeats {
    const stop = new AbortController();
    cleanup.add(() => stop.abort());
    return followHeartbeats({
      ...this.#shared("follower"),
      ...{ namespace: NAMESPACE, labelSelector: "part=test", signal: stop.signal },
    });
  }

  /** The connections of watches are dead, and no end notices. */
  muteWatches(): void {
    for (const api of this.#apis) for (const open of api.watches) open.mute();
  }

  #shared(name: string) {
    const api = new InProcessApi(this.cluster, {
      beforeCall: () => {
        if (this.away.has(name)) throw new KubernetesApiError("api_unreachable", "connection refused");
      },
    });
    this.#apis.push(api);
    return { api, clock: this.clock, random: () => 0.5, log: this.log, times: TIMES };
  }
}

it("each process is seen with what it said last", async () => {
  const harness = new HeartbeatHarness();
  let count = 1;
  harness.start("a", () => `${count}`);
  harness.start("b");
  const followed = harness.follow();
  await harness.clock.advance(1000);
  await followed.synced;
  const expected = (says: string) => [
    { name: "a", annotations: { says }, isExpired: false },
    { name: "b", annotations: { says: "b" }, isExpired: false },
  ];
  expect(followed.processes()).toMatchObject(expected("1"));
  count = 2;
  await harness.clock.advance(TIMES.intervalMs);
  expect(followed.processes()).toMatchObject(expected("2"));
});

it("a process that stops is gone at once", async () => {
  const harness = new HeartbeatHarness();
  const a = harness.start("a");
  const followed = harness.follow();
  await harness.clock.advance(1000);
  a.stop();
  await a.ended;
  await harness.clock.advance(100);
  expect(followed.processes()).toEqual([]);
  await harness.clock.advance(60_000);
  expect(harness.cluster.list(KINDS.leases, {}).items).toEqual([]);
});

it("a process that falls silent expires by the follower's own clock, however wrong its own is", async () => {
  const harness = new HeartbeatHarness();
  harness.start("a");
  const followed = harness.follow();
  await harness.clock.advance(1000);
  harness.away.add("a");
  await harness.clock.advance(TIMES.leaseMs - 2000);
  harness.clock.jump(86_400_000);
  expect(followed.processes().map(({ isExpired }) => isExpired)).toEqual([false]);
  await harness.clock.advance(3000);
  expect(followed.processes().map(({ isExpired }) => isExpired)).toEqual([true]);
  harness.away.delete("a");
  await harness.clock.advance(TIMES.intervalMs);
  expect(followed.processes().map(({ isExpired }) => isExpired)).toEqual([false]);
  expect(harness.log.find("could not be renewed")).toHaveLength(1);
});

it("a Lease that was there before counts as renewed when it is first seen", async () => {
  const harness = new HeartbeatHarness();
  harness.start("a");
  await settlePromises();
  harness.away.add("a");
  await harness.clock.advance(10 * TIMES.leaseMs);
  const followed = harness.follow();
  await harness.clock.advance(1000);
  expect(followed.processes().map(({ isExpired }) => isExpired)).toEqual([false]);
});

it("what another program has written into the Lease is replaced", async () => {
  const harness = new HeartbeatHarness();
  harness.start("a");
  const followed = harness.follow();
  await harness.clock.advance(1000);
  const lease = harness.cluster.get(KINDS.leases, { namespace: NAMESPACE, name: "a" });
  const metadata = { ...lease.metadata, annotations: { says: "forged" } };
  harness.cluster.replace(KINDS.leases, { ...lease, metadata });
  await harness.clock.advance(TIMES.intervalMs);
  expect(followed.processes().map(({ annotations }) => annotations)).toEqual([{ says: "a" }]);
});

it("what has changed is seen at once", async () => {
  const harness = new HeartbeatHarness();
  let count = 1;
  const a = harness.start("a", () => `${count}`);
  const followed = harness.follow();
  await harness.clock.advance(1000);
  count = 2;
  a.beat();
  await harness.clock.advance(100);
  expect(followed.processes().map(({ annotations }) => annotations)).toEqual([{ says: "2" }]);
});

it("a watch that is dead makes nobody look expired", async () => {
  const harness = new HeartbeatHarness();
  harness.start("a");
  const followed = harness.follow();
  await harness.clock.advance(1000);
  harness.muteWatches();
  for (let passed = 0; passed < 2 * TIMES.leaseMs; passed += 1000) {
    await harness.clock.advance(1000);
    expect(followed.processes().map(({ isExpired }) => isExpired)).toEqual([false]);
  }
});
