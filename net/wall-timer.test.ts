import { describe, expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { startWallTimer } from "./wall-timer.ts";

const YEAR_MS = 365 * 86_400_000;

describe("startWallTimer", () => {
  it("waits longer than a single timer can", async () => {
    const clock = new FakeClock();
    let runs = 0;
    const count = (): void => {
      runs += 1;
    };
    startWallTimer(clock, clock.now() + YEAR_MS / 12, count);
    clock.jump(YEAR_MS / 12 - 120_000);
    await clock.advance(60_000);
    expect(runs).toBe(0);
    await clock.advance(60_000);
    expect(runs).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("notices within a minute that the machine was suspended", async () => {
    const clock = new FakeClock();
    let runs = 0;
    startWallTimer(clock, clock.now() + YEAR_MS, () => {
      runs += 1;
    });
    clock.jump(2 * YEAR_MS);
    await clock.advance(60_000);
    expect(runs).toBe(1);
  });

  it("does not run after it is cancelled", async () => {
    const clock = new FakeClock();
    const timer = startWallTimer(clock, clock.now() + 1000, () => expect.unreachable());
    timer.cancel();
    await clock.advance(5000);
    expect(clock.pendingTimers).toBe(0);
  });
});
