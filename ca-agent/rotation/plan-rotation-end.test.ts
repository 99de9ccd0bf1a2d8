import { describe, expect, it } from "vitest";
import { goBack, type PlanCase, planFor, replicas, wait } from "./plan-rotation-fixture.ts";
import { byRoot, DAY_MS, HOUR_MS, LIMITS, NEW, NOW_MS, OLD, SIGNING, totals, WITHDRAWING } from "./rotation-fixture.ts";
import { latestLeafEnd } from "./rotation-limits.ts";
import { fingerprintOf, type RotationState } from "./rotation-state.ts";

const WEEK_MS = 7 * DAY_MS;
/** After the last leaf of the other root. */
const ENDED_MS = SIGNING.leavesEndMs;
const ENDED_WITHDRAWING_MS = WITHDRAWING.leavesEndMs;

describe.each([
  { name: "a previous root", began: SIGNING, endedMs: ENDED_MS, ready: NEW },
  { name: "a root that is withdrawn", began: WITHDRAWING, endedMs: ENDED_WITHDRAWING_MS, ready: OLD },
])("$name", ({ began, endedMs, ready }) => {
  const state: RotationState = { ...began, isFollowed: true };
  const behind = totals({ connected: 10, trusting: byRoot([ready, 10]), holding: byRoot([ready, 9]) });
  const cases: readonly Omit<PlanCase, "state">[] = [
    {
      name: "stays trusted until its last leaf has expired, though no sidecar holds one",
      afterMs: endedMs - 1,
      plan: { ...wait("certificates of the other root"), untilMs: NOW_MS + endedMs },
    },
    { name: "goes once its leaves have expired", afterMs: endedMs, plan: { kind: "step", to: "steady" } },
    {
      name: "stays until the leaves have expired that a control plane has signed late",
      afterMs: endedMs,
      evidence: { replicas: { ...replicas, otherLeavesForMs: LIMITS.clockErrorMs } },
      plan: { ...wait("certificates of the other root"), untilMs: NOW_MS + endedMs + LIMITS.clockErrorMs },
    },
    {
      name: "stays while a connected sidecar holds none of the other",
      ...{ afterMs: endedMs, evidence: { sidecars: behind } },
      plan: wait("1 of 10 sidecars have no certificate of the root that stays; this is waited for until"),
    },
    {
      name: "stays while a connected sidecar does not trust the other",
      afterMs: endedMs,
      evidence: {
        sidecars: totals({ connected: 10, trusting: byRoot([ready, 9]), holding: byRoot([ready, 10]) }),
      },
      plan: wait("1 of 10 sidecars do not trust the root that stays"),
    },
    {
      name: "goes after another week without the last sidecar",
      ...{ afterMs: endedMs + WEEK_MS, evidence: { sidecars: behind } },
      plan: { kind: "step", to: "steady" },
    },
    {
      name: "does not go while a control plane has gone back to it",
      ...{ afterMs: endedMs, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force"),
    },
    {
      name: "does not stay for ever for a control plane that never follows",
      ...{ afterMs: endedMs + WEEK_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { kind: "step", to: "steady" },
    },
    {
      name: "stays until sidecars have connected again after a restart",
      ...{ afterMs: endedMs, evidence: { completeForMs: 0 } },
      plan: wait("sidecars are connecting"),
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(planFor({ state, ...one })).toEqual(one.plan);
  });

  it.each([
    {
      name: "while control planes are receiving the state",
      ...{ afterMs: LIMITS.settleMs - 1, evidence: {} },
      plan: { ...wait("control planes are receiving the state"), untilMs: NOW_MS + LIMITS.settleMs },
    },
    {
      name: "while a control plane still signs with it",
      ...{ afterMs: endedMs, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force; this is waited for until 2030-01-08"),
    },
    {
      name: "while a control plane that has fallen silent may still sign with it",
      ...{ afterMs: endedMs, evidence: { replicas: { ...replicas, lost: 1 } } },
      plan: wait("1 control plane does not report, and may still sign; this is waited for until"),
    },
  ])("has no known end $name", ({ plan: expected, ...given }) => {
    expect(planFor({ state: began, ...given })).toEqual(expected);
  });

  it.each([-400 * DAY_MS, -DAY_MS, DAY_MS, 400 * DAY_MS])(
    "follows no wall clock that is wrong by %d ms",
    (wrongByMs) => {
      expect(planFor({ state, wrongByMs, afterMs: endedMs - 1 })).toMatchObject(wait("certificates of the other root"));
      expect(planFor({ state, wrongByMs, afterMs: endedMs })).toEqual({ kind: "step", to: "steady" });
      expect(planFor({ state: began, wrongByMs, afterMs: LIMITS.settleMs - 1 }).kind).toBe("wait");
      expect(planFor({ state, wrongByMs, afterMs: endedMs + WEEK_MS - 1, evidence: { sidecars: behind } }).kind).toBe(
        "wait",
      );
    },
  );

  it("has a known end from then on, however late", () => {
    for (const afterMs of [LIMITS.settleMs, endedMs, WEEK_MS - 1]) {
      expect(planFor({ state: began, afterMs })).toEqual({ kind: "confirm" });
    }
  });

  it("goes after a week without a control plane that never follows, and another one after its last leaf", () => {
    const evidence = { replicas: { ...replicas, following: 1 } };
    expect(planFor({ state: began, evidence, afterMs: WEEK_MS })).toMatchObject(wait("1 of 2 control planes"));
    expect(planFor({ state: began, evidence, afterMs: WEEK_MS + endedMs })).toEqual({ kind: "step", to: "steady" });
  });
});

describe("a root that signs", () => {
  it.each([
    { name: "on request", evidence: { request: goBack }, reason: "requested" },
    { name: "if the check finds a fault", evidence: { fault: "a fault" }, reason: "a fault" },
    {
      name: "if nearly all sidecars reject it everywhere",
      evidence: {
        sidecars: totals({ connected: 30, rejecting: byRoot([NEW, 29]) }),
        rejectedRoots: new Set([fingerprintOf(NEW.certificatePem)]),
      },
      reason: "29 of 30 sidecars reject the new root",
    },
  ])("is rolled back $name, at any time", ({ evidence, reason }) => {
    for (const afterMs of [0, ENDED_MS, ENDED_MS + WEEK_MS]) {
      expect(planFor({ state: SIGNING, evidence, afterMs })).toEqual({ kind: "roll_back", reason });
    }
  });

  it("is rolled back once for a request", () => {
    const state = { ...SIGNING, requestId: "two" };
    expect(planFor({ state, evidence: { request: goBack }, afterMs: 0 }).kind).toBe("wait");
  });

  it("has an end of the old leaves that no leaf signed now outlives", () => {
    expect(SIGNING.leavesEndMs).toBeGreaterThanOrEqual(latestLeafEnd({ phaseMs: 0, limits: LIMITS }));
    expect(latestLeafEnd({ phaseMs: 0, limits: LIMITS })).toBe(DAY_MS + 2 * (HOUR_MS + 120_000));
  });
});
