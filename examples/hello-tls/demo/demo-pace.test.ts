import { describe, expect, it } from "vitest";
import { decidePace, describePace, scaleLimit } from "./demo-pace.ts";

const paceOf = (leafLifetimeS: number) => ({ leafLifetimeS, inForceMs: 1000 });

describe("the demo's pace", () => {
  it.each([
    { machine: "an idle machine", startedMs: 400, pace: [12, 15_000] },
    { machine: "a busy one", startedMs: 5000, pace: [58, 20_000] },
    { machine: "one that is too busy", startedMs: 60_000, pace: [90, 240_000] },
  ])("on $machine", ({ startedMs, pace }) => {
    const { leafLifetimeS, inForceMs } = decidePace(startedMs);
    expect([leafLifetimeS, inForceMs]).toEqual(pace);
  });

  it("moves the time limits with the leaves, and never below those of an idle machine", () => {
    expect([6, 12, 24].map((seconds) => scaleLimit(1000, paceOf(seconds)))).toEqual([1000, 1000, 2000]);
  });

  it("is mentioned only if it is unusual", () => {
    expect([6, 12, 24].map((seconds) => describePace(paceOf(seconds)).length)).toEqual([0, 0, 1]);
  });
});
