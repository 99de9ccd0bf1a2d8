import { describe, expect, it } from "vitest";
import { decidePace, describePace, scaleLimit } from "./demo-pace.ts";

const KILLS = [{ needs: ["lasting_leaves"] }] as const;
const paceOf = (leafLifetimeS: number) => ({ leafLifetimeS, inForceMs: 1000 });

describe("the demo's pace", () => {
  it.each([
    { name: "the control plane is not killed", checks: [{}], startedMs: 900, pace: [6, 1000] },
    { name: "it is not killed, on a busy machine", checks: [{}], startedMs: 5000, pace: [15, 5000] },
    { name: "it is killed, on an idle machine", checks: KILLS, startedMs: 400, pace: [12, 1000] },
    { name: "it is killed, on a busy machine", checks: KILLS, startedMs: 5000, pace: [58, 5000] },
    { name: "it is killed, on one that is too busy", checks: KILLS, startedMs: 60_000, pace: [90, 60_000] },
  ])("where $name", ({ checks, startedMs, pace }) => {
    const { leafLifetimeS, inForceMs } = decidePace(checks, startedMs);
    expect([leafLifetimeS, inForceMs]).toEqual(pace);
  });

  it("moves the time limits with the leaves, and never below those of an idle machine", () => {
    expect([6, 12, 24].map((seconds) => scaleLimit(1000, paceOf(seconds)))).toEqual([1000, 1000, 2000]);
  });

  it("is mentioned only if it is unusual", () => {
    expect([6, 12, 24].map((seconds) => describePace(paceOf(seconds)).length)).toEqual([0, 0, 1]);
  });
});
