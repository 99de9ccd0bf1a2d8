import { describe, expect, it } from "vitest";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { decidePlan, type History, historyAfter, isBackwards, type Outcome, type Plan } from "./reflector-plan.ts";

const CALM: History = { failures: 0, listAgeMs: 1000, resyncMs: 1_800_000 };
const RV = { resourceVersion: "7" };

function refused(status: number, retryAfterMs?: number): KubernetesApiError {
  return new KubernetesApiError("api_refused", "no", { status, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

const away = new KubernetesApiError("api_unreachable", "away");

interface Row {
  readonly name: string;
  readonly outcome: Outcome;
  readonly history?: Partial<History>;
  readonly plan: Plan;
}

describe("what a reflector does next (jitter at its highest)", () => {
  it.each<Row>([
    { name: "listed", outcome: { kind: "listed", ...RV }, plan: { kind: "watch", afterMs: 0, ...RV } },
    {
      name: "a watch ended at its time: the next one resumes",
      outcome: { kind: "watch-ended", ...RV, heldMs: 400_000 },
      plan: { kind: "resume", afterMs: 0, ...RV },
    },
    {
      name: "a watch ended and a full list is due",
      outcome: { kind: "watch-ended", ...RV, heldMs: 400_000 },
      history: { listAgeMs: 1_800_000 },
      plan: { kind: "list", afterMs: 0 },
    },
    {
      name: "a watch ended at once, again and again",
      outcome: { kind: "watch-ended", ...RV, heldMs: 3 },
      history: { failures: 3 },
      plan: { kind: "resume", afterMs: 8000, ...RV },
    },
    {
      name: "a watch was cut: it resumes at once",
      outcome: { kind: "watch-lost", ...RV, why: "cut" },
      history: { failures: 1 },
      plan: { kind: "resume", afterMs: 0, ...RV },
    },
    {
      name: "a watch was cut again without having delivered anything",
      outcome: { kind: "watch-lost", ...RV, why: "cut" },
      history: { failures: 2 },
      plan: { kind: "resume", afterMs: 4000, ...RV },
    },
    {
      name: "a watch was silent: a list shows what it has swallowed",
      outcome: { kind: "watch-lost", ...RV, why: "silent" },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 0 },
    },
    {
      name: "every watch is silent",
      outcome: { kind: "watch-lost", ...RV, why: "silent" },
      history: { failures: 2 },
      plan: { kind: "list", afterMs: 4000 },
    },
    {
      name: "versions ran backwards",
      outcome: { kind: "watch-lost", ...RV, why: "backwards" },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 0 },
    },
    {
      name: "the version expired",
      outcome: { kind: "watch-refused", ...RV, error: refused(410) },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 0 },
    },
    {
      name: "every version expires",
      outcome: { kind: "watch-refused", ...RV, error: refused(410) },
      history: { failures: 2 },
      plan: { kind: "list", afterMs: 4000 },
    },
    {
      name: "the server limits its load: the same watch later, no list",
      outcome: { kind: "watch-refused", ...RV, error: refused(429, 5000) },
      history: { failures: 1 },
      plan: { kind: "resume", afterMs: 5000, ...RV },
    },
    {
      name: "the server was away: it may have been restored, so a list",
      outcome: { kind: "watch-refused", ...RV, error: away },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 2000 },
    },
    {
      name: "away for an hour: half a minute between attempts",
      outcome: { kind: "list-refused", error: away },
      history: { failures: 100 },
      plan: { kind: "list", afterMs: 30_000 },
    },
    {
      name: "a right is missing: slowly",
      outcome: { kind: "list-refused", error: refused(403) },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 60_000 },
    },
    {
      name: "the kind is not there: its CRD is waited for",
      outcome: { kind: "list-refused", error: refused(404) },
      history: { failures: 50 },
      plan: { kind: "list", afterMs: 15_000 },
    },
    {
      name: "Retry-After is longer than the backoff",
      outcome: { kind: "list-refused", error: refused(503, 20_000) },
      history: { failures: 1 },
      plan: { kind: "list", afterMs: 20_000 },
    },
  ])("$name", ({ outcome, history, plan }) => {
    expect(decidePlan(outcome, { ...CALM, ...history }, () => 1)).toEqual(plan);
  });

  it("spreads retries from zero on", () => {
    expect(decidePlan({ kind: "list-refused", error: away }, { ...CALM, failures: 5 }, () => 0).afterMs).toBe(0);
  });
});

describe("the history", () => {
  it.each<{ readonly outcome: Outcome; readonly failures: number }>([
    { outcome: { kind: "listed", ...RV }, failures: 3 },
    { outcome: { kind: "watch-ended", ...RV, heldMs: 5000 }, failures: 0 },
    { outcome: { kind: "watch-ended", ...RV, heldMs: 5 }, failures: 4 },
    { outcome: { kind: "watch-lost", ...RV, why: "silent" }, failures: 4 },
    { outcome: { kind: "watch-lost", ...RV, why: "cut" }, failures: 4 },
    { outcome: { kind: "list-refused", error: away }, failures: 4 },
  ])("counts $outcome.kind", ({ outcome, failures }) => {
    expect(historyAfter({ failures: 3 }, outcome)).toEqual({ failures });
  });
});

describe("versions that run backwards", () => {
  it.each([
    { previous: "10", next: "9", is: true },
    { previous: "9", next: "10", is: false },
    { previous: "10", next: "10", is: false },
    { previous: "99999999999999999999", next: "99999999999999999998", is: true },
    { previous: "b10", next: "a9", is: false },
    { previous: "", next: "9", is: false },
  ])("$previous then $next: $is", ({ previous, next, is }) => {
    expect(isBackwards(previous, next)).toBe(is);
  });
});
