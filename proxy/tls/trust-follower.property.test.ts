import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { timeReadings } from "../../mesh/policy/authentication/trust-readings.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { NO_AGENT_METER } from "../telemetry/agent-meter.ts";
import { createSecureContextSource } from "./secure-context-source.ts";
import { parseTrustAnchors } from "./trust-anchors.ts";
import { TrustFollower } from "./trust-follower.ts";

const ROOT = mintRoot().pem;
const trustDomains = [parseTrustDomain("cluster.local")];
const IDENTITIES = ["a", "b", "c"].map((name) => parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${name}`));

/** A control plane, with what it has read last, and when its API server said for the last time that this is what is stored. */
interface Replica {
  readonly name: string;
  revoked: readonly SpiffeId[];
  revisions: readonly number[];
  /** When it was. */
  readMs: number;
  confirmedMs: number;
  connection: "current" | "lagging" | "cut";
}

/** What is stored, three control planes, and a proxy that goes from one to the other. */
class Mesh {
  readonly #clock = new FakeClock();
  readonly #source = createSecureContextSource({
    trust: parseTrustAnchors({ roots: [ROOT], trustDomains }),
    clock: this.#clock,
  });
  readonly #follower = new TrustFollower({
    ...{ source: this.#source, clock: this.#clock, log: new RecordingLogger(), random: () => 0 },
    ...{ leave: () => undefined, meter: NO_AGENT_METER },
  });
  #stored: readonly SpiffeId[] = [];
  #revisions: readonly number[] = [0];
  readonly #replicas: readonly Replica[] = ["one", "two", "three"].map((name) => ({
    ...{ name, revoked: this.#stored, revisions: this.#revisions, readMs: 0, confirmedMs: 0, connection: "current" },
  }));
  /** Since when each is revoked. */
  readonly #since = new Map<SpiffeId, number>();
  /** Revoked, known to the proxy, and never lifted since. */
  readonly #known = new Set<SpiffeId>();

  store(revoked: readonly SpiffeId[]): void {
    this.#stored = revoked;
    this.#revisions = [this.#clock.monotonicMs(), ...this.#revisions];
    for (const identity of IDENTITIES) {
      if (!revoked.includes(identity)) {
        this.#since.delete(identity);
        this.#known.delete(identity);
      } else if (!this.#since.has(identity)) this.#since.set(identity, this.#clock.monotonicMs());
    }
  }

  pass(ms: number): void {
    this.#clock.pause(ms);
  }

  /** A change or a bookmark arrives, unless the control plane is cut off. An API server that lags confirms what it has. */
  hear(index: number): void {
    const replica = this.#at(index);
    if (replica.connection === "cut") return;
    replica.confirmedMs = this.#clock.monotonicMs();
    if (replica.connection === "lagging") return;
    replica.revoked = this.#stored;
    replica.revisions = this.#revisions;
    replica.readMs = replica.confirmedMs;
  }

  reach(index: number, connection: Replica["connection"]): void {
    this.#at(index).connection = connection;
  }

  /** The proxy asks a control plane, whose response takes a while. Whether it was taken whole. */
  connect(index: number, lateMs: number): boolean {
    const { name, revoked, revisions, readMs, confirmedMs } = this.#at(index);
    const askedMs = this.#clock.monotonicMs();
    const digest = [...revoked].toSorted().join();
    const reading = { digest, ageMs: askedMs - confirmedMs, revisions };
    this.pass(lateMs);
    const times = { askedMs, receivedMs: this.#clock.monotonicMs() };
    const revocations = { certificates: [], identities: revoked };
    const refusal = this.#follower.take(
      { roots: [ROOT], trustDomains, revocations },
      timeReadings({ controlPlane: name, revocations: reading }, times),
    );
    // What was revoked before, lifted, and revoked again, is known by those who have read it since.
    for (const identity of revoked) {
      if (readMs >= (this.#since.get(identity) ?? Number.POSITIVE_INFINITY)) this.#known.add(identity);
    }
    return refusal === undefined;
  }

  /** At the proxy. */
  revoked(): readonly SpiffeId[] {
    const { revocations } = this.#source.trust();
    return IDENTITIES.filter((identity) => revocations?.find([], identity) !== undefined);
  }

  isCurrent(index: number): boolean {
    return this.#at(index).connection === "current" && this.#at(index).revoked === this.#stored;
  }

  get lifted(): readonly SpiffeId[] {
    return [...this.#known].filter((identity) => !this.revoked().includes(identity));
  }

  #at(index: number): Replica {
    const replica = this.#replicas[index];
    if (replica === undefined) throw new RangeError(`there is no control plane ${index}`);
    return replica;
  }
}

const index = fc.nat(2);
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("store" as const), revoked: fc.subarray([...IDENTITIES]) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("hear" as const), index }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("reach" as const),
      index,
      connection: fc.constantFrom("current" as const, "lagging" as const, "cut" as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("connect" as const), index, lateMs: fc.constantFrom(0, 1, 50) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function take(mesh: Mesh, next: Step): boolean | undefined {
  mesh.pass(10);
  switch (next.kind) {
    case "store":
      mesh.store(next.revoked);
      return undefined;
    case "hear":
      mesh.hear(next.index);
      return undefined;
    case "reach":
      mesh.reach(next.index, next.connection);
      return undefined;
    case "connect":
      return mesh.connect(next.index, next.lateMs);
  }
}

it("whatever control planes are cut off, and whatever API servers lag, no revocation that a proxy knows is lifted before it is lifted in the mesh", () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), (steps) => {
      const mesh = new Mesh();
      for (const next of steps) {
        if (take(mesh, next) === false) refused += 1;
        expect(mesh.lifted).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(100);
});

it("a control plane that has read the present state is taken whole, wherever the proxy was before", () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 40 }), index, (steps, last) => {
      const mesh = new Mesh();
      // Without delays, which make it uncertain what was first.
      for (const next of steps) take(mesh, next.kind === "connect" ? { ...next, lateMs: 0 } : next);
      if (!mesh.isCurrent(last)) return;
      mesh.pass(10);
      expect(mesh.connect(last, 0)).toBe(true);
      taken += 1;
    }),
    { numRuns: 300 },
  );
  expect(taken).toBeGreaterThan(20);
});
