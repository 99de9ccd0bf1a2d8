import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import {
  type SourceReading,
  type TrustReadings,
  timeReadings,
} from "../../mesh/policy/authentication/trust-readings.ts";
import type { Revocations, TrustBundle } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createSecureContextSource } from "./secure-context-source.ts";
import { parseTrustAnchors } from "./trust-anchors.ts";
import { TrustFollower } from "./trust-follower.ts";

const [OLD, NEW] = [mintRoot({ commonName: "old" }).pem, mintRoot({ commonName: "new" }).pem];
const [A, B, C] = ["a", "b", "c"].map((name) => parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${name}`));
const trustDomains = [parseTrustDomain("cluster.local")];
const MINUTE_MS = 60_000;

/** What a control plane serves. Its sources have been confirmed this long ago. */
interface Served {
  readonly by: string;
  readonly ageMs: number;
  readonly roots?: readonly string[];
  readonly revoked?: readonly (typeof A | undefined)[];
  /** Of the revocations. */
  readonly revisions?: readonly number[];
}

function bundleOf({ roots = [NEW], revoked = [] }: Served): TrustBundle {
  const identities = revoked.flatMap((identity) => identity ?? []);
  const revocations: Revocations | undefined = identities.length === 0 ? undefined : { certificates: [], identities };
  return { roots, trustDomains, signingRoot: roots.at(-1) ?? "", ...(revocations && { revocations }) };
}

function readingsOf({ by, ageMs, roots = [NEW], revoked = [], revisions = [] }: Served): TrustReadings {
  const read = (digest: string): SourceReading => ({ digest, ageMs });
  const [own, revocations] = [roots.join(), revoked.join()].map(read);
  return {
    controlPlane: by,
    plugged: read(""),
    ...(own && { own }),
    ...(revocations && { revocations: { ...revocations, revisions } }),
    lists: read(""),
  };
}

let clock: FakeClock;
let log: RecordingLogger;
let source: ReturnType<typeof createSecureContextSource>;
let follower: TrustFollower;
/** When control planes were left. */
let left: number[];
let isBehind: boolean;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  left = [];
  isBehind = false;
  source = createSecureContextSource({ trust: parseTrustAnchors({ roots: [OLD], trustDomains }), clock });
  follower = new TrustFollower({
    ...{ source, clock, log, random: () => 0, leave: () => left.push(clock.monotonicMs()) },
    meter: {
      controlPlaneBehind: (value) => {
        isBehind = value;
      },
    },
  });
});

/** @param lateMs how long the response takes */
function take(served: Served, lateMs = 0): string | undefined {
  const nowMs = clock.monotonicMs();
  const readings = timeReadings(readingsOf(served), { askedMs: nowMs - lateMs, receivedMs: nowMs });
  return follower.take(bundleOf(served), readings)?.reason;
}

/** What is trusted and revoked now. */
function state() {
  const { roots, signingRoot, revocations } = source.trust();
  return {
    roots: roots.map(String),
    signs: signingRoot?.toString(),
    revoked: [A, B, C].filter((identity) => identity && revocations?.find([], identity) !== undefined),
  };
}

describe("a control plane that was cut off before a revocation and a rotation", () => {
  const healthy: Served = { by: "healthy", ageMs: 0, revoked: [A] };
  const cut = (more: Partial<Served> = {}): Served => {
    return { by: "cut", ageMs: clock.monotonicMs() + 10 * MINUTE_MS, roots: [OLD], ...more };
  };

  it("lifts no revocation and brings no root back, may add a revocation, and receives the reason", async () => {
    expect(take(healthy)).toBeUndefined();
    await clock.advance(MINUTE_MS);
    expect(take(cut({ revoked: [B] }))).toBe(
      "this control plane is behind, by its state of Secret istio-ca-secret, ConfigMap entente-ca",
    );
    expect(state()).toEqual({ roots: [NEW], signs: NEW, revoked: [A, B] });
    expect(isBehind).toBe(true);
  });

  it("is taken whole as soon as it has caught up, or by the next one that has", async () => {
    take(healthy);
    await clock.advance(MINUTE_MS);
    take(cut({ revoked: [B] }));
    expect(take({ by: "cut", ageMs: 5, roots: [OLD, NEW], revoked: [] })).toBeUndefined();
    expect(state()).toEqual({ roots: [OLD, NEW], signs: NEW, revoked: [] });
    expect(isBehind).toBe(false);
    expect(log.find("behind").map(({ level }) => level)).toEqual(["warn", "info"]);
    await clock.advance(MINUTE_MS);
    take(cut());
    expect(take(cut({ ageMs: 5 }))).toBeUndefined();
    expect(state()).toEqual({ roots: [OLD], signs: OLD, revoked: [] });
  });

  it("is left after half a minute, then ever later; a healthy one is not", async () => {
    take(healthy);
    await clock.advance(MINUTE_MS);
    for (let turn = 0; turn < 6; turn += 1) {
      const [before, count] = [clock.monotonicMs(), left.length];
      take(cut());
      take(cut());
      await clock.advance(10 * MINUTE_MS);
      expect(left.slice(count).map((ms) => ms - before)).toEqual([Math.min(15_000 * 2 ** turn, 150_000)]);
    }
    expect(log.find("control_plane_behind")).toHaveLength(1);
    take(cut());
    take({ ...healthy, ageMs: 0 });
    const count = left.length;
    await clock.advance(10 * MINUTE_MS);
    expect(left).toHaveLength(count);
    take(cut());
    await clock.advance(15_000);
    expect(left).toHaveLength(count + 1);
  });

  it("is taken by a proxy that has just started", () => {
    expect(take(cut({ revoked: [B] }))).toBeUndefined();
    expect(state()).toEqual({ roots: [OLD], signs: OLD, revoked: [B] });
  });

  it("is left alone in what it has in common with the others", async () => {
    take({ ...healthy, revoked: [] });
    await clock.advance(MINUTE_MS);
    expect(take({ by: "cut", ageMs: 10 * MINUTE_MS, revoked: [] })).toBeUndefined();
    await clock.advance(10 * MINUTE_MS);
    expect(left).toEqual([]);
  });

  it("changes the roots if it is behind in the revocations alone", async () => {
    take(healthy);
    await clock.advance(MINUTE_MS);
    const nowMs = clock.monotonicMs();
    const served = cut({ roots: [OLD, NEW] });
    const own = { digest: "other", ageMs: 0 };
    const timed = timeReadings({ ...readingsOf(served), own }, { askedMs: nowMs, receivedMs: nowMs });
    expect(follower.take(bundleOf(served), timed)?.reason).toMatch(/ of ConfigMap entente-ca$/);
    expect(state()).toEqual({ roots: [OLD, NEW], signs: NEW, revoked: [A] });
  });

  it("is left again and again while it takes turns with a healthy one, and what is in force is never the older state", async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      // A proxy's own wall clock does not matter.
      clock.jump(turn % 2 === 0 ? 3_600_000 : -3_600_000);
      expect(take({ ...healthy, ageMs: 30_000 })).toBeUndefined();
      expect(state()).toEqual({ roots: [NEW], signs: NEW, revoked: [A] });
      await clock.advance(MINUTE_MS);
      expect(take(cut({ revoked: [B] }))).toMatch(/behind/);
      expect(state()).toEqual({ roots: [NEW], signs: NEW, revoked: [A, B] });
      await clock.advance(15_000);
      expect(left).toHaveLength(turn + 1);
    }
  });

  it("has no more weight when it comes again and again, and nothing grows", async () => {
    take(healthy);
    for (let turn = 0; turn < 20; turn += 1) {
      await clock.advance(MINUTE_MS);
      const before = source.trust();
      take(cut({ revoked: [B] }));
      if (turn > 0) expect(source.trust()).toBe(before);
      expect(state().revoked).toEqual([A, B]);
    }
    take({ ...healthy, ageMs: 0 });
    expect(state().revoked).toEqual([A]);
  });
});

describe("what a control plane that is behind has added", () => {
  it("goes with the next one that has what was held before, if it is certainly older", async () => {
    await clock.advance(MINUTE_MS);
    take({ by: "one", ageMs: 0, revoked: [A] });
    await clock.advance(MINUTE_MS);
    take({ by: "cut", ageMs: 2 * MINUTE_MS, revoked: [B] });
    expect(state().revoked).toEqual([A, B]);
    expect(take({ by: "other", ageMs: 90_000, revoked: [A] })).toBeUndefined();
    expect(state().revoked).toEqual([A]);
  });

  it("stays until there is something later than both, if it may be the later one", async () => {
    await clock.advance(MINUTE_MS);
    take({ by: "one", ageMs: 0, revoked: [A] });
    await clock.advance(100);
    expect(take({ by: "other", ageMs: 0, revoked: [B] }, 200)).toMatch(/behind/);
    await clock.advance(100);
    for (const by of ["one", "third"]) expect(take({ by, ageMs: 200, revoked: [A] })).toMatch(/behind/);
    expect(state().revoked).toEqual([A, B]);
    expect(take({ by: "one", ageMs: 50, revoked: [A] })).toBeUndefined();
    expect(state().revoked).toEqual([A]);
  });
});

describe("a control plane that starts with a restored backup", () => {
  const before: Served = { by: "running", ageMs: 0, revoked: [A], revisions: [20, 10] };
  const restored: Served = { by: "started", ageMs: 0, revoked: [], revisions: [10] };

  it("lifts no revocation until one that ran before has stored it again, and its roots are taken", async () => {
    take(before);
    await clock.advance(MINUTE_MS);
    expect(take({ ...restored, roots: [OLD, NEW] })).toMatch(/ of ConfigMap entente-ca$/);
    expect(take({ ...restored, revoked: [B], revisions: [30, 10] })).toMatch(/ of ConfigMap entente-ca$/);
    expect(state()).toEqual({ roots: [NEW], signs: NEW, revoked: [A, B] });
    expect(take({ ...restored, roots: [OLD, NEW], revoked: [A, B], revisions: [40, 30, 20, 10] })).toBeUndefined();
    expect(state()).toEqual({ roots: [OLD, NEW], signs: NEW, revoked: [A, B] });
  });

  it("is taken after an hour if none does, and the proxy connects again until then", async () => {
    take(before);
    let minutes = 0;
    for (; take(restored) !== undefined; minutes += 1) await clock.advance(MINUTE_MS);
    expect([minutes, state().revoked, isBehind]).toEqual([60, [], false]);
    expect(left.length).toBeGreaterThan(10);
  });
});

describe("two healthy control planes", () => {
  it("never make a proxy do anything, however old their confirmations are", async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const ageMs = [0, 59_000, 1, 30_000][turn % 4] ?? 0;
      expect(take({ by: `plane ${turn % 2}`, ageMs, revoked: [A] })).toBeUndefined();
      await clock.advance(1000);
    }
    await clock.advance(10 * MINUTE_MS);
    expect([left, log.records]).toEqual([[], []]);
  });

  it("both bring each change, also when one lifts what the other has just received", async () => {
    await clock.advance(MINUTE_MS);
    take({ by: "one", ageMs: 40_000, revoked: [A] });
    await clock.advance(1000);
    expect(take({ by: "other", ageMs: 500, revoked: [] })).toBeUndefined();
    await clock.advance(1000);
    expect(take({ by: "one", ageMs: 100, revoked: [B] })).toBeUndefined();
    expect(state().revoked).toEqual([B]);
  });
});

it("a control plane that does not know the age of what it reads is taken as it is, and what follows it too", async () => {
  take({ by: "one", ageMs: 0, revoked: [A] });
  expect(follower.take(bundleOf({ by: "", ageMs: 0, revoked: [B] }), undefined)).toBeUndefined();
  expect(state().revoked).toEqual([B]);
  expect(take({ by: "other", ageMs: 10 * MINUTE_MS, revoked: [C] })).toBeUndefined();
  expect(state().revoked).toEqual([C]);
});

it("an unchanged bundle counts as new as the control plane has it", async () => {
  take({ by: "one", ageMs: 0, revoked: [A] });
  await clock.advance(10 * MINUTE_MS);
  const served: Served = { by: "other", ageMs: 1000, revoked: [A] };
  const nowMs = clock.monotonicMs();
  follower.confirm(timeReadings(readingsOf(served), { askedMs: nowMs, receivedMs: nowMs }));
  await clock.advance(MINUTE_MS);
  expect(take({ by: "cut", ageMs: 5 * MINUTE_MS })).toMatch(/behind/);
  expect(state().revoked).toEqual([A]);
});

it("a bundle that cannot be read changes nothing, nor what is known of its sources", async () => {
  await clock.advance(20 * MINUTE_MS);
  take({ by: "cut", ageMs: 10 * MINUTE_MS, revoked: [A] });
  expect(() => take({ by: "other", ageMs: 0, roots: ["damaged"], revoked: [] })).toThrow(/holds no PEM certificate/);
  expect(take({ by: "third", ageMs: 5 * MINUTE_MS, revoked: [B] })).toBeUndefined();
  expect(state().revoked).toEqual([B]);
});
