import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { planRotation } from "./plan-rotation.ts";
import {
  byRoot,
  countSidecars,
  DAY_MS,
  HOUR_MS,
  LIMITS,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  READY,
  SIGNING,
  STEADY,
  WITHDRAWING,
} from "./rotation-fixture.ts";
import { latestLeafEnd } from "./rotation-limits.ts";
import type { RotationEvidence, RotationState } from "./rotation-state.ts";

const WEEK_MS = 7 * DAY_MS;
/** After the last leaf of the other root. */
const ENDED_MS = SIGNING.leavesUntilMs - NOW_MS;
const ENDED_WITHDRAWING_MS = WITHDRAWING.leavesUntilMs - NOW_MS;

interface Case {
  readonly name: string;
  readonly state: RotationState;
  readonly evidence?: Partial<RotationEvidence>;
  /** After the phase began. */
  readonly afterMs: number;
  readonly plan: object;
}

function plan({ state, evidence = {}, afterMs }: Omit<Case, "plan" | "name">) {
  const nowMs = NOW_MS + afterMs;
  // Counts that were complete long before, unless the case is about that.
  return planRotation(state, { ...READY, completeSinceMs: nowMs - HOUR_MS, ...evidence }, { nowMs, limits: LIMITS });
}

const rotate = { kind: "rotate", requestId: "one" } as const;
const goBack = { kind: "roll_back", requestId: "two" } as const;
const replicas = { live: 2, following: 2, lost: 0, otherLeavesUntilMs: 0 };
const wait = (reason: string): object => ({ kind: "wait", reason: expect.stringContaining(reason) });
const oneBehind = { connected: 10, trusting: byRoot([OLD, 10], [NEW, 9]), holding: byRoot([OLD, 1], [NEW, 9]) };

function aged(days: { readonly before: number; readonly left: number }): RotationState {
  const root = mintRoot({
    notBefore: new Date(NOW_MS - days.before * DAY_MS),
    notAfter: new Date(NOW_MS + days.left * DAY_MS),
  });
  return { ...STEADY, current: { certificatePem: root.pem, keyPem: root.keyPem } };
}

const rolledBack = { outcome: "rolled_back", reason: "a test", atMs: NOW_MS, dropped: "" } as const;

describe("a steady root", () => {
  const cases: readonly Case[] = [
    { name: "stays without a request", state: STEADY, afterMs: 0, plan: wait("no rotation is requested") },
    {
      name: "is replaced on request",
      ...{ state: STEADY, afterMs: 0, evidence: { request: rotate } },
      plan: { kind: "step", to: "published", cause: "request" },
    },
    {
      name: "is not replaced while a control plane does not have it in force, as after a restored backup",
      ...{ state: STEADY, afterMs: 0, evidence: { request: rotate, replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force"),
    },
    {
      name: "is not replaced by age while a control plane does not have it in force",
      ...{ state: aged({ before: 9, left: 1 }), afterMs: 0, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force"),
    },
    {
      name: "is replaced though a control plane has fallen silent",
      ...{ state: STEADY, afterMs: 0, evidence: { request: rotate, replicas: { ...replicas, lost: 1 } } },
      plan: { kind: "step", to: "published", cause: "request" },
    },
    {
      name: "is replaced once for a request",
      ...{ state: { ...STEADY, requestId: "one" }, afterMs: 0, evidence: { request: rotate } },
      plan: wait("no rotation is requested"),
    },
    {
      name: "has nothing that could be rolled back",
      ...{ state: STEADY, afterMs: 0, evidence: { request: goBack } },
      plan: wait("no rotation is requested"),
    },
    {
      name: "stays with a little more than a fifth of its life",
      ...{ state: aged({ before: 790, left: 210 }), afterMs: 0 },
      plan: wait("no rotation is requested"),
    },
    {
      name: "is replaced by age with a fifth of its life",
      ...{ state: aged({ before: 800, left: 200 }), afterMs: 0 },
      plan: { kind: "step", to: "published", cause: "age" },
    },
    {
      name: "is replaced earlier if leaves live as long",
      ...{ state: aged({ before: 4, left: 2 }), afterMs: 0 },
      plan: { kind: "step", to: "published", cause: "age" },
    },
    {
      name: "is used for half of its life, however long leaves live",
      ...{ state: aged({ before: 0.9, left: 1.1 }), afterMs: 0 },
      plan: wait("no rotation is requested"),
    },
    {
      name: "is not replaced by age for a day after that was rolled back",
      ...{ state: { ...aged({ before: 9, left: 1 }), last: { ...rolledBack, cause: "age" } } as RotationState },
      ...{ afterMs: DAY_MS - 1, plan: wait("no rotation is requested") },
    },
    {
      name: "is replaced by age a day after that was rolled back",
      ...{ state: { ...aged({ before: 8, left: 2 }), last: { ...rolledBack, cause: "age" } } as RotationState },
      ...{ afterMs: DAY_MS, plan: { kind: "step", to: "published", cause: "age" } },
    },
    {
      name: "is replaced by age at once after a requested rotation was rolled back",
      ...{ state: { ...aged({ before: 9, left: 1 }), last: { ...rolledBack, cause: "request" } } as RotationState },
      ...{ afterMs: 0, plan: { kind: "step", to: "published", cause: "age" } },
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(plan(one)).toEqual(one.plan);
  });
});

describe("a published root", () => {
  const published = { state: PUBLISHED };
  const cases: readonly Omit<Case, "state">[] = [
    {
      name: "does not sign before pods can have received it, though all have acknowledged it",
      afterMs: LIMITS.publishMs - 1,
      plan: { ...wait("pods are receiving"), untilMs: NOW_MS + LIMITS.publishMs },
    },
    {
      name: "signs once all sidecars have acknowledged it",
      afterMs: LIMITS.publishMs,
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "signs in a mesh without sidecars",
      ...{ afterMs: LIMITS.publishMs, evidence: { sidecars: countSidecars({ connected: 0 }) } },
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "waits for the last sidecar",
      ...{ afterMs: DAY_MS - 1, evidence: { sidecars: countSidecars(oneBehind) } },
      plan: wait("1 of 10 sidecars are not ready; this is waited for until 2030-01-02T00:00:00.000Z"),
    },
    {
      name: "signs after a day without the last sidecar, which a cross-signed certificate helps",
      ...{ afterMs: DAY_MS, evidence: { sidecars: countSidecars(oneBehind) } },
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "waits for a control plane that does not publish it",
      ...{ afterMs: LIMITS.publishMs, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force"),
    },
    {
      name: "is withdrawn if a control plane has not published it within a day",
      ...{ afterMs: DAY_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { kind: "roll_back", reason: "1 of 2 control planes do not have the stored state in force" },
    },
    {
      name: "signs after a day in which a control plane was silent",
      ...{ afterMs: DAY_MS, evidence: { replicas: { ...replicas, lost: 1 } } },
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "waits for a control plane that has fallen silent",
      ...{ afterMs: LIMITS.publishMs, evidence: { replicas: { ...replicas, lost: 1 } } },
      plan: wait("1 control planes do not report"),
    },
    {
      name: "waits until a control plane has reported at all",
      ...{ afterMs: LIMITS.publishMs, evidence: { replicas: { ...replicas, live: 0, following: 0 } } },
      plan: wait("no control plane has reported"),
    },
    {
      name: "waits until sidecars have connected again after a restart",
      afterMs: LIMITS.publishMs,
      evidence: { completeSinceMs: NOW_MS + LIMITS.publishMs - LIMITS.settleMs + 1 },
      plan: wait("sidecars are connecting"),
    },
    {
      name: "waits while it is not known since when the counts are complete",
      ...{ afterMs: LIMITS.publishMs, evidence: { completeSinceMs: Number.NaN } },
      plan: wait("sidecars are connecting"),
    },
    {
      name: "is withdrawn on request",
      ...{ afterMs: 0, evidence: { request: goBack } },
      plan: { kind: "roll_back", reason: "requested" },
    },
    {
      name: "is withdrawn if the check finds a fault",
      ...{ afterMs: LIMITS.publishMs, evidence: { fault: "no sidecar would trust it" } },
      plan: { kind: "roll_back", reason: "no sidecar would trust it" },
    },
    {
      name: "is withdrawn if half of the sidecars reject it",
      ...{ afterMs: 0, evidence: { sidecars: countSidecars({ connected: 10, rejecting: 5 }) } },
      plan: { kind: "roll_back", reason: "5 of 10 sidecars reject the new root" },
    },
    {
      name: "is not withdrawn for some sidecars, which one hostile pod could be",
      ...{ afterMs: 0, evidence: { sidecars: countSidecars({ connected: 10, rejecting: 4 }) } },
      plan: { ...wait("pods are receiving"), untilMs: NOW_MS + LIMITS.publishMs },
    },
    {
      name: "goes on at another request to rotate",
      ...{ afterMs: LIMITS.publishMs, evidence: { request: rotate } },
      plan: { kind: "step", to: "signing" },
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(plan({ ...published, ...one })).toEqual(one.plan);
  });

  it("does not sign while the clock is behind the time at which it was published", () => {
    expect(plan({ state: PUBLISHED, afterMs: -HOUR_MS })).toMatchObject(wait("pods are receiving"));
  });
});

describe.each([
  { name: "a previous root", state: SIGNING as RotationState, endedMs: ENDED_MS, ready: NEW },
  { name: "a root that is withdrawn", state: WITHDRAWING as RotationState, endedMs: ENDED_WITHDRAWING_MS, ready: OLD },
])("$name", ({ state, endedMs, ready }) => {
  const behind = countSidecars({ connected: 10, trusting: byRoot([ready, 10]), holding: byRoot([ready, 9]) });
  const cases: readonly Omit<Case, "state">[] = [
    {
      name: "stays trusted until its last leaf has expired, though no sidecar holds one",
      afterMs: endedMs - 1,
      plan: { ...wait("certificates of the other root"), untilMs: NOW_MS + endedMs },
    },
    { name: "goes once its leaves have expired", afterMs: endedMs, plan: { kind: "step", to: "steady" } },
    {
      name: "stays until the leaves have expired that a control plane has signed late",
      afterMs: endedMs,
      evidence: { replicas: { ...replicas, otherLeavesUntilMs: NOW_MS + endedMs } },
      plan: { ...wait("certificates of the other root"), untilMs: NOW_MS + endedMs + LIMITS.clockErrorMs },
    },
    {
      name: "stays while a connected sidecar holds none of the other",
      ...{ afterMs: endedMs, evidence: { sidecars: behind } },
      plan: wait("1 of 10 sidecars are not ready"),
    },
    {
      name: "stays while a connected sidecar does not trust the other",
      afterMs: endedMs,
      evidence: {
        sidecars: countSidecars({ connected: 10, trusting: byRoot([ready, 9]), holding: byRoot([ready, 10]) }),
      },
      plan: wait("1 of 10 sidecars are not ready"),
    },
    {
      name: "goes after another week without the last sidecar",
      ...{ afterMs: endedMs + WEEK_MS, evidence: { sidecars: behind } },
      plan: { kind: "step", to: "steady" },
    },
    {
      name: "stays longer while a control plane still signs with it",
      ...{ afterMs: HOUR_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { kind: "extend", reason: "1 of 2 control planes do not have the stored state in force" },
    },
    {
      name: "stays longer while a control plane may still sign with it",
      ...{ afterMs: HOUR_MS, evidence: { replicas: { ...replicas, lost: 1 } } },
      plan: { kind: "extend", reason: "1 control planes do not report, and may still sign" },
    },
    {
      name: "stays as long as was stored for a control plane that follows some seconds later",
      ...{ afterMs: 5000, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { ...wait("certificates of the other root"), untilMs: NOW_MS + endedMs },
    },
    {
      name: "does not stay for ever for a control plane that never follows",
      ...{ afterMs: endedMs + WEEK_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { kind: "step", to: "steady" },
    },
    {
      name: "stays until sidecars have connected again after a restart",
      ...{ afterMs: endedMs, evidence: { completeSinceMs: NOW_MS + endedMs } },
      plan: wait("sidecars are connecting"),
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(plan({ state, ...one })).toEqual(one.plan);
  });
});

describe("a root that signs", () => {
  it.each([
    { name: "on request", evidence: { request: goBack }, reason: "requested" },
    { name: "if the check finds a fault", evidence: { fault: "a fault" }, reason: "a fault" },
    {
      name: "if half of the sidecars reject it",
      evidence: { sidecars: countSidecars({ connected: 3, rejecting: 2 }) },
      reason: "2 of 3 sidecars reject the new root",
    },
  ])("is rolled back $name, at any time", ({ evidence, reason }) => {
    for (const afterMs of [0, ENDED_MS, ENDED_MS + WEEK_MS]) {
      expect(plan({ state: SIGNING, evidence, afterMs })).toEqual({ kind: "roll_back", reason });
    }
  });

  it("is rolled back once for a request", () => {
    const state = { ...SIGNING, requestId: "two" };
    expect(plan({ state, evidence: { request: goBack }, afterMs: 0 }).kind).toBe("wait");
  });

  it("has an end of the old leaves that no leaf signed now outlives", () => {
    expect(SIGNING.leavesUntilMs).toBeGreaterThanOrEqual(latestLeafEnd({ nowMs: NOW_MS, limits: LIMITS }));
    expect(latestLeafEnd({ nowMs: NOW_MS, limits: LIMITS })).toBe(NOW_MS + DAY_MS + 2 * (HOUR_MS + 120_000));
  });
});
