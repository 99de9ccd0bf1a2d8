import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { planRotation } from "./plan-rotation.ts";
import { goBack, type PlanCase, planFor, replicas, rotate, wait } from "./plan-rotation-fixture.ts";
import {
  byRoot,
  DAY_MS,
  HOUR_MS,
  LIMITS,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  READY,
  STEADY,
  totals,
} from "./rotation-fixture.ts";
import { fingerprintOf, type RotationState } from "./rotation-state.ts";

const oneBehind = { connected: 10, trusting: byRoot([OLD, 10], [NEW, 9]), holding: byRoot([OLD, 1], [NEW, 9]) };

function aged(days: { readonly before: number; readonly left: number }): RotationState {
  const root = mintRoot({
    notBefore: new Date(NOW_MS - days.before * DAY_MS),
    notAfter: new Date(NOW_MS + days.left * DAY_MS),
  });
  return { ...STEADY, current: { certificatePem: root.pem, keyPem: root.keyPem } };
}

const rejectedBy = (count: number) => ({
  sidecars: totals({ connected: 10, trusting: byRoot([OLD, 10], [NEW, 10 - count]), rejecting: byRoot([NEW, count]) }),
});

const rolledBack = { outcome: "rolled_back", reason: "a test", atMs: NOW_MS } as const;

describe("a steady root", () => {
  const cases: readonly PlanCase[] = [
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
    expect(planFor(one)).toEqual(one.plan);
  });
});

describe("a published root", () => {
  const published = { state: PUBLISHED };
  const cases: readonly Omit<PlanCase, "state">[] = [
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
      ...{ afterMs: LIMITS.publishMs, evidence: { sidecars: totals({ connected: 0 }) } },
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "waits for the last sidecar",
      ...{ afterMs: DAY_MS - 1, evidence: { sidecars: totals(oneBehind) } },
      plan: wait("1 of 10 sidecars do not trust the new root yet; this is waited for until 2030-01-02T00:00:00.000Z"),
    },
    {
      name: "signs after a day without the last sidecar, which a cross-signed certificate helps",
      ...{ afterMs: DAY_MS, evidence: { sidecars: totals(oneBehind) } },
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
      plan: wait("1 control plane does not report"),
    },
    {
      name: "waits until a control plane has reported at all",
      ...{ afterMs: LIMITS.publishMs, evidence: { replicas: { ...replicas, live: 0, following: 0 } } },
      plan: wait("no control plane has reported"),
    },
    {
      name: "waits until sidecars have connected again after a restart",
      afterMs: LIMITS.publishMs,
      evidence: { completeForMs: LIMITS.settleMs - 1 },
      plan: wait("sidecars are connecting"),
    },
    {
      name: "waits while it is not known since when the counts are complete",
      ...{ afterMs: LIMITS.publishMs, evidence: { completeForMs: Number.NaN } },
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
      name: "is withdrawn if nearly all sidecars reject it everywhere",
      ...{ afterMs: 0, evidence: { ...rejectedBy(10), rejectedRoots: new Set([fingerprintOf(NEW.certificatePem)]) } },
      plan: { kind: "roll_back", reason: "10 of 10 sidecars reject the new root" },
    },
    {
      name: "is not withdrawn for what sidecars reject that have connected first after a restart",
      afterMs: LIMITS.publishMs,
      evidence: {
        ...{ ...rejectedBy(10), rejectedRoots: new Set([fingerprintOf(NEW.certificatePem)]) },
        completeForMs: LIMITS.settleMs - 1,
      },
      plan: wait("10 of 10 sidecars reject the new root; sidecars are connecting"),
    },
    {
      name: "is not withdrawn because nearly all reject another root",
      ...{ afterMs: 0, evidence: { rejectedRoots: new Set([fingerprintOf(OLD.certificatePem)]) } },
      plan: { ...wait("pods are receiving"), untilMs: NOW_MS + LIMITS.publishMs },
    },
    {
      name: "is not withdrawn for many sidecars, which one tenant could have, and says so",
      ...{ afterMs: 0, evidence: rejectedBy(9) },
      plan: { ...wait("9 of 10 sidecars reject the new root; pods are receiving"), untilMs: NOW_MS + LIMITS.publishMs },
    },
    {
      name: "does not sign while sidecars reject it, until its time is over",
      ...{ afterMs: DAY_MS - 1, evidence: rejectedBy(1) },
      plan: wait(
        "1 of 10 sidecars reject the new root; 1 of 10 sidecars do not trust the new root yet; this is waited for until",
      ),
    },
    {
      name: "signs after a day though sidecars reject it, or one pod could keep an old root for ever",
      ...{ afterMs: DAY_MS, evidence: rejectedBy(1) },
      plan: { kind: "step", to: "signing" },
    },
    {
      name: "goes on at another request to rotate",
      ...{ afterMs: LIMITS.publishMs, evidence: { request: rotate } },
      plan: { kind: "step", to: "signing" },
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(planFor({ ...published, ...one })).toEqual(one.plan);
  });

  it.each([-400 * DAY_MS, -DAY_MS, DAY_MS, 400 * DAY_MS])(
    "follows no wall clock that is wrong by %d ms",
    (wrongByMs) => {
      const waiting = { state: PUBLISHED, evidence: { sidecars: totals(oneBehind) }, wrongByMs };
      expect(planFor({ ...waiting, afterMs: LIMITS.publishMs - 1 })).toMatchObject(wait("pods are receiving"));
      expect(planFor({ ...waiting, afterMs: DAY_MS - 1 })).toMatchObject(
        wait("1 of 10 sidecars do not trust the new root yet"),
      );
      expect(planFor({ ...waiting, afterMs: DAY_MS })).toEqual({ kind: "step", to: "signing" });
    },
  );

  it("stores its time every hour while it waits, and no time that it has not lasted", () => {
    const time = (phaseMs: number) => ({ nowMs: NOW_MS, phaseMs, limits: LIMITS });
    const evidence = { ...READY, sidecars: totals(oneBehind) };
    expect(planRotation(PUBLISHED, evidence, time(HOUR_MS - 1)).kind).toBe("wait");
    expect(planRotation(PUBLISHED, evidence, time(HOUR_MS))).toEqual({ kind: "count" });
    expect(planRotation({ ...PUBLISHED, countedMs: HOUR_MS }, evidence, time(HOUR_MS)).kind).toBe("wait");
    expect(planRotation(PUBLISHED, READY, time(HOUR_MS))).toEqual({ kind: "step", to: "signing" });
  });
});
