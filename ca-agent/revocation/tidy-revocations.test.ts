import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { CaError } from "../ca-error.ts";
import type { PodName } from "./pod-name.ts";
import { keyOfTarget } from "./revocation-entries.ts";
import { MemoryControl, revocationOf } from "./revocations-fixture.ts";
import { startTidyRevocations } from "./tidy-revocations.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
let clock: FakeClock;
let log: RecordingLogger;
let control: MemoryControl;
/** Of the pods that are there, by name. `undefined`: it is not known which are. */
let uids: Map<string, string> | undefined;
/** How far this process's clock is ahead of the API server's. */
let clockErrorMs: number;
let stop: AbortController;
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  control = new MemoryControl();
  uids = new Map();
  clockErrorMs = 0;
  stop = new AbortController();
});
afterEach(() => stop.abort());

const pod = (name: string, uid?: string) => ({ kind: "pod", namespace: "ns1", name, ...(uid && { uid }) }) as const;
const left = (): readonly string[] => control.current().revocations.map(({ what }) => keyOfTarget(what));

function start(): void {
  const findPod = (wanted: PodName) => {
    const [name, uid] = [...(uids ?? [])].find(([, one]) => one === wanted.uid) ?? [
      wanted.name,
      uids?.get(wanted.name),
    ];
    return uids === undefined ? "unknown" : uid === undefined ? "none" : { namespace: "ns1", name, uid };
  };
  const facts = () => ({ nowMs: clock.now(), maxLifetimeMs: DAY_MS, findPod });
  const compareClock = async () => -clockErrorMs;
  const deps = { control, store: control, facts, compareClock, clock, random: () => 0.5, log, signal: stop.signal };
  startTidyRevocations(deps);
}

describe("the entry of a pod", () => {
  it("stays while the pod is there, and then until its last certificate has expired everywhere", async () => {
    uids?.set("there", "u1");
    control.revoke(revocationOf(pod("there", "u1")), revocationOf({ kind: "serial", serialNumber: "A" }));
    start();
    await clock.advance(10 * DAY_MS);
    expect(control.current().revocations[0]).not.toHaveProperty("expiresAt");
    uids?.clear();
    await clock.advance(2 * HOUR_MS);
    expect(control.current().revocations[0]).toHaveProperty("expiresAt");
    await clock.advance(DAY_MS - HOUR_MS);
    expect(left()).toEqual(["pod ns1/there u1", "serial A"]);
    await clock.advance(4 * HOUR_MS);
    expect(left()).toEqual(["serial A"]);
  });

  it("stays while the pod is there under another name than the operator has given with its uid", async () => {
    uids?.set("web", "u1");
    control.revoke(revocationOf(pod("wbe", "u1")));
    start();
    await clock.advance(10 * DAY_MS);
    expect(control.current().revocations).toEqual([revocationOf(pod("wbe", "u1"))]);
  });

  it("ends if another pod has its name now", async () => {
    uids?.set("hello", "u2");
    control.revoke(revocationOf(pod("hello", "u1")));
    start();
    await clock.advance(DAY_MS + 4 * HOUR_MS);
    expect(left()).toEqual([]);
  });

  it("loses its end if the pod is there after all", async () => {
    control.revoke(revocationOf(pod("hello", "u1")));
    start();
    await clock.advance(2 * HOUR_MS);
    expect(control.current().revocations[0]).toHaveProperty("expiresAt");
    uids?.set("hello", "u1");
    await clock.advance(10 * DAY_MS);
    expect(control.current().revocations).toEqual([revocationOf(pod("hello", "u1"))]);
  });

  it("stays where it is not known which pods there are", async () => {
    uids = undefined;
    control.revoke(revocationOf(pod("hello")));
    start();
    await clock.advance(10 * DAY_MS);
    expect(control.current().revocations).toEqual([revocationOf(pod("hello"))]);
  });

  it("stays while nothing can be stored", async () => {
    control.revoke(revocationOf(pod("hello", "u1")));
    start();
    control.failure = new CaError("control_conflict", "busy");
    await clock.advance(DAY_MS);
    expect(log.find("the revocations were not tidied").length).toBeGreaterThan(0);
    control.failure = undefined;
    await clock.advance(DAY_MS);
    expect(left()).toEqual(["pod ns1/hello u1"]);
    await clock.advance(4 * HOUR_MS);
    expect(left()).toEqual([]);
  });
});

it("no entry ends by a clock that is days ahead of the API server's, until that is right", async () => {
  const expiresAt = new Date(clock.now() + HOUR_MS).toISOString();
  control.revoke(revocationOf({ kind: "serial", serialNumber: "A" }, { expiresAt }), revocationOf(pod("gone", "u1")));
  clockErrorMs = 2 * DAY_MS;
  start();
  await clock.advance(DAY_MS);
  expect(left()).toEqual(["serial A", "pod ns1/gone u1"]);
  expect(control.current().revocations[1]).not.toHaveProperty("expiresAt");
  expect(log.find("the revocations were not tidied")[0]?.fields).toMatchObject({
    reason: expect.stringContaining("is 2 days ahead of the API server's, so no entry ends by it"),
  });
  clockErrorMs = 30 * 60_000;
  await clock.advance(2 * HOUR_MS);
  expect(left()).toEqual(["pod ns1/gone u1"]);
  expect(control.current().revocations[0]).toHaveProperty("expiresAt");
});

it("a state that people have written without a revision is stored again, to get one", async () => {
  const { revisions: _, ...edited } = control.current();
  let changes = 0;
  control.subscribe(() => {
    changes += 1;
  });
  uids?.set("hello", "u1");
  control.set({ ...edited, revocations: [revocationOf(pod("hello", "u1"))] });
  start();
  await clock.advance(1.5 * HOUR_MS);
  expect(changes).toBe(2);
  control.set({ ...control.current(), revisions: [5] });
  await clock.advance(DAY_MS);
  expect(changes).toBe(3);
});

describe("a pod that was revoked by its name alone", () => {
  const named = revocationOf(pod("hello"), { reason: "stolen" });

  it.each([
    { name: "at the start", before: [named], later: [] },
    { name: "as soon as it is stored", before: [], later: [named] },
  ])("is revoked by its uid too $name, also when it is gone", async ({ before, later }) => {
    uids?.set("hello", "u1");
    control.revoke(...before);
    start();
    if (later.length > 0) control.revoke(...later);
    await clock.advance(1000);
    expect(control.current().revocations).toEqual([named, { ...named, what: pod("hello", "u1") }]);
    expect(control.updates).toBe(1);
    uids?.clear();
    await clock.advance(DAY_MS);
    expect(left()).toEqual(["pod ns1/hello ", "pod ns1/hello u1"]);
  });

  it("gets its uid again, ever more seldom, from one that keeps removing it, and also after a failure", async () => {
    uids?.set("hello", "u1");
    control.failure = new CaError("control_conflict", "busy");
    start();
    const before = control.current();
    control.revoke(named);
    await clock.advance(2000);
    control.failure = undefined;
    for (let second = 0; second < 60; second += 1) {
      control.set({ ...before, revocations: [named] });
      await clock.advance(1000);
    }
    expect(control.updates).toBeGreaterThan(4);
    expect(control.updates).toBeLessThan(12);
    await clock.advance(60_000);
    expect(left()).toEqual(["pod ns1/hello ", "pod ns1/hello u1"]);
  });
});
