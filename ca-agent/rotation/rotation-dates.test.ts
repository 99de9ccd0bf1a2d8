import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { goBack, type PlanCase, planFor, replicas, rotate, wait } from "./plan-rotation-fixture.ts";
import { byRoot, DAY_MS, HOUR_MS, INPUT, LIMITS, NEW, NOW_MS, OLD, STEADY, totals } from "./rotation-fixture.ts";
import type { PublishedState } from "./rotation-state.ts";
import { countPhase, publishNext } from "./rotation-steps.ts";

/** Published by age now, with an old root of such a life. */
function publishedByAge(days: { readonly life: number; readonly left: number }): PublishedState {
  const root = mintRoot({
    notBefore: new Date(NOW_MS - (days.life - days.left) * DAY_MS),
    notAfter: new Date(NOW_MS + days.left * DAY_MS),
  });
  const state = { ...STEADY, current: { certificatePem: root.pem, keyPem: root.keyPem } };
  return publishNext(state, { next: NEW, cause: "age" }, INPUT);
}

/** Of ten years, as the mesh makes it for itself. */
const LONG = publishedByAge({ life: 3650, left: 730 });
/** A tenth of its life is a day. */
const SHORT = publishedByAge({ life: 10, left: 2 });
const LATE = publishedByAge({ life: 10, left: 0.9 });
const oneBehind = { connected: 10, trusting: byRoot([OLD, 10], [NEW, 9]) };
const step = { kind: "step", to: "signing" };

describe("a root that is published by age", () => {
  const cases: readonly PlanCase[] = [
    {
      name: "does not sign within a week, and says when it will",
      ...{ state: LONG, afterMs: 7 * DAY_MS - 1000 },
      plan: { ...wait("the new root signs from 2030-01-08T00:00:00.000Z on"), untilMs: NOW_MS + 7 * DAY_MS },
    },
    { name: "signs after a week", state: LONG, afterMs: 7 * DAY_MS, plan: step },
    {
      name: "does not sign before half of a short lead is over",
      ...{ state: SHORT, afterMs: DAY_MS - 1000 },
      plan: { ...wait("the new root signs from 2030-01-02T00:00:00.000Z on"), untilMs: NOW_MS + DAY_MS },
    },
    { name: "signs when half of a short lead is over", state: SHORT, afterMs: DAY_MS, plan: step },
    {
      name: "signs as soon as pods have it, when less than half of the lead is left",
      ...{ state: LATE, afterMs: LIMITS.publishMs, plan: step },
    },
    {
      name: "is published for its least time whatever the wall clock says",
      ...{ state: LONG, afterMs: LIMITS.publishMs - 1, wrongByMs: 3650 * DAY_MS, plan: wait("pods are receiving") },
    },
    {
      name: "signs after a week by a wall clock that is a year behind",
      ...{ state: LONG, afterMs: 7 * DAY_MS, wrongByMs: -365 * DAY_MS, plan: step },
    },
    {
      name: "is withdrawn on request within the week",
      ...{ state: LONG, afterMs: DAY_MS, evidence: { request: goBack } },
      plan: { kind: "roll_back", reason: "requested" },
    },
    {
      name: "is not withdrawn within the week for a control plane that does not follow",
      ...{ state: LONG, afterMs: 2 * DAY_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("the new root signs from"),
    },
    {
      name: "waits for a control plane that starts when the week is over",
      ...{ state: LONG, afterMs: 7 * DAY_MS + HOUR_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: wait("1 of 2 control planes do not have the stored state in force"),
    },
    {
      name: "is withdrawn a day later if that still does not follow",
      ...{ state: LONG, afterMs: 8 * DAY_MS, evidence: { replicas: { ...replicas, following: 1 } } },
      plan: { kind: "roll_back", reason: "1 of 2 control planes do not have the stored state in force" },
    },
    {
      name: "signs a day later without the last sidecar",
      ...{ state: LONG, afterMs: 8 * DAY_MS, evidence: { sidecars: totals(oneBehind) }, plan: step },
    },
  ];
  it.each(cases)("$name", (one) => {
    expect(planFor(one)).toMatchObject(one.plan);
  });

  it("signs without the week when an operator requests a rotation meanwhile", () => {
    const [afterMs, evidence] = [LIMITS.publishMs, { request: rotate }];
    expect(planFor({ state: LONG, afterMs, evidence })).toEqual({ kind: "count" });
    const requested = countPhase(LONG, { ...INPUT, request: rotate });
    expect(requested).toMatchObject({ cause: "request", requestId: rotate.requestId });
    expect(planFor({ state: requested, afterMs, evidence })).toEqual(step);
    expect(countPhase(LONG, INPUT).cause).toBe("age");
  });
});
