import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { InProcessApi } from "../test-server/in-process-api.ts";
import { TestCluster } from "../test-server/test-cluster.ts";
import { runLeaderElection } from "./leader-election.ts";

const LEASE = { namespace: "default", name: "istiod-leader" };
const stops = new Set<AbortController>();
afterEach(() => {
  for (const stop of stops) stop.abort();
  stops.clear();
});

type Connection = "works" | "away" | "hangs";

/** Candidates of one Lease. */
class Election {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  readonly leading = new Set<string>();
  readonly connections = new Map<string, Connection>();
  /** The most that ever led at once. */
  mostLeaders = 0;
  /** What happens to a leader's task. */
  task: (signal: AbortSignal) => Promise<void> = async (signal) => await whenAborted(signal);

  /** @param skewMs how far this candidate's wall clock is off */
  join(identity: string, skewMs = 0): { readonly stop: AbortController; readonly done: Promise<void> } {
    const stop = new AbortController();
    stops.add(stop);
    const { clock, log } = this;
    const skewed: Clock = {
      now: () => clock.now() + skewMs,
      monotonicMs: () => clock.monotonicMs(),
      setTimeout: (action, delayMs) => clock.setTimeout(action, delayMs),
    };
    const api = new InProcessApi(this.cluster, { beforeCall: () => this.#connect(identity) });
    const done = runLeaderElection(
      { api, clock: skewed, random: () => 0.5, log },
      { lease: LEASE, identity, lead: (signal) => this.#lead(identity, signal), signal: stop.signal },
    );
    return { stop, done };
  }

  holder(): unknown {
    return Object(this.cluster.find(KINDS.leases, LEASE)?.["spec"]).holderIdentity;
  }

  async #lead(identity: string, signal: AbortSignal): Promise<void> {
    this.leading.add(identity);
    this.mostLeaders = Math.max(this.mostLeaders, this.leading.size);
    await this.task(signal).finally(() => this.leading.delete(identity));
  }

  /** A hanging call ends at its time limit, as the client's do. */
  async #connect(identity: string): Promise<void> {
    const connection = this.connections.get(identity) ?? "works";
    if (connection === "hangs") await new Promise<void>((resolve) => this.clock.setTimeout(resolve, 10_000));
    if (connection !== "works") throw new KubernetesApiError("api_unreachable", connection);
  }
}

describe("a leader election", () => {
  it("has one leader, who keeps the Lease as long as the process runs", async () => {
    const election = new Election();
    for (const identity of ["a", "b", "c"]) election.join(identity);
    await election.clock.advance(600_000);
    expect([election.mostLeaders, [...election.leading], election.holder()]).toEqual([1, ["a"], "a"]);
  });

  it("goes on without delay when the leader stops in order", async () => {
    const election = new Election();
    const first = election.join("a");
    await election.clock.advance(1000);
    election.join("b");
    await election.clock.advance(1000);
    first.stop.abort();
    await election.clock.advance(3000);
    await first.done;
    expect([...election.leading]).toEqual(["b"]);
  });

  it.each<Connection>(["away", "hangs"])(
    "is lost by a leader whose API %s after 10 s, and won by another after 15 s, not before",
    async (connection) => {
      const election = new Election();
      election.join("a");
      await election.clock.advance(1000);
      election.join("b");
      await election.clock.advance(1000);
      election.connections.set("a", connection);
      await election.clock.advance(7000);
      expect([...election.leading]).toEqual(["a"]);
      await election.clock.advance(4000);
      expect([...election.leading]).toEqual([]);
      await election.clock.advance(8000);
      expect([...election.leading]).toEqual(["b"]);
    },
  );

  it.each([3_600_000, -3_600_000])("does not mind a clock that is %d ms off", async (skewMs) => {
    const election = new Election();
    election.join("a", skewMs);
    await election.clock.advance(1000);
    election.join("b", -skewMs);
    await election.clock.advance(120_000);
    expect([election.mostLeaders, [...election.leading]]).toEqual([1, ["a"]]);
  });

  it("ends for a leader whose Lease another has taken", async () => {
    const election = new Election();
    election.join("a");
    await election.clock.advance(1000);
    const lease = election.cluster.get(KINDS.leases, LEASE);
    const spec = { ...Object(lease["spec"]), holderIdentity: "b" };
    election.cluster.replace(KINDS.leases, { ...lease, spec });
    await election.clock.advance(3000);
    expect([...election.leading]).toEqual([]);
    expect(election.holder()).toBe("b");
  });

  it("counts how often the Lease has changed hands", async () => {
    const election = new Election();
    const first = election.join("a");
    await election.clock.advance(1000);
    first.stop.abort();
    await election.clock.advance(1000);
    election.join("b");
    await election.clock.advance(1000);
    expect(election.cluster.get(KINDS.leases, LEASE)["spec"]).toMatchObject({
      holderIdentity: "b",
      leaseDurationSeconds: 15,
      leaseTransitions: 1,
      acquireTime: "2030-01-01T00:00:02.000000Z",
    });
  });

  it("gives the Lease back when the leader's task fails, and reports it", async () => {
    const election = new Election();
    election.task = () => Promise.reject(new Error("the task is broken"));
    election.join("a");
    await election.log.seen("the task is broken");
    await election.clock.advance(100);
    expect(election.holder()).toBe("");
  });

  it("never has two leaders, whatever happens to their connections", async () => {
    const step = fc.record({
      identity: fc.constantFrom("a", "b", "c"),
      connection: fc.constantFrom<Connection>("works", "away", "hangs"),
      waitMs: fc.integer({ min: 0, max: 20_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const election = new Election();
        const joined = ["a", "b", "c"].map((identity) => election.join(identity));
        for (const { identity, connection, waitMs } of steps) {
          election.connections.set(identity, connection);
          await election.clock.advance(waitMs);
        }
        election.connections.clear();
        await election.clock.advance(60_000);
        expect([election.mostLeaders, election.leading.size]).toEqual([1, 1]);
        for (const { stop } of joined) stop.abort();
        await Promise.all(joined.map(({ done }) => done));
      }),
      { numRuns: 50 },
    );
  }, 60_000);
});
