import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Deadlines, type Watched } from "./deadlines.ts";

const INTERVAL_MS = 500;

function start(): { clock: FakeClock; deadlines: Deadlines } {
  const clock = new FakeClock();
  return { clock, deadlines: new Deadlines(clock, INTERVAL_MS) };
}

/** Records when it was checked. */
function watch(onCheck: (nowMs: number) => void = () => undefined): Watched & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    checkDeadline: (nowMs) => {
      asked.push(nowMs);
      onCheck(nowMs);
    },
  };
}

describe("deadlines", () => {
  it("check every watched connection once an interval, with the current time", async () => {
    const { clock, deadlines } = start();
    const watched = [watch(), watch()];
    for (const one of watched) deadlines.add(one);
    await clock.advance(INTERVAL_MS * 3);
    expect(watched.map(({ asked }) => asked)).toEqual([
      [500, 1000, 1500],
      [500, 1000, 1500],
    ]);
  });

  it("know the time exactly, beside that of the last check", async () => {
    const { clock, deadlines } = start();
    await clock.advance(10);
    expect([deadlines.nowMs, deadlines.exactMs]).toEqual([0, 10]);
  });

  it("need one timer for any number of connections, and none without connections", async () => {
    const { clock, deadlines } = start();
    expect(clock.pendingTimers).toBe(0);
    const watched = Array.from({ length: 1000 }, () => watch());
    for (const one of watched) deadlines.add(one);
    expect([clock.pendingTimers, deadlines.size]).toEqual([1, 1000]);
    for (const one of watched) deadlines.delete(one);
    await clock.advance(INTERVAL_MS);
    expect([clock.pendingTimers, deadlines.size]).toEqual([0, 0]);
  });

  it("do not check one that has been removed", async () => {
    const { clock, deadlines } = start();
    const [stays, leaves] = [watch(), watch()];
    deadlines.add(stays);
    deadlines.add(leaves);
    await clock.advance(INTERVAL_MS);
    deadlines.delete(leaves);
    await clock.advance(INTERVAL_MS);
    expect([stays.asked.length, leaves.asked.length]).toEqual([2, 1]);
  });

  it("allow removing and adding while checking", async () => {
    const { clock, deadlines } = start();
    const comes = watch();
    const leaves = watch(() => {
      deadlines.delete(leaves);
      deadlines.add(comes);
    });
    const stays = watch();
    deadlines.add(leaves);
    deadlines.add(stays);
    await clock.advance(INTERVAL_MS * 2);
    expect([leaves.asked.length, stays.asked.length]).toEqual([1, 2]);
    expect(comes.asked).toContain(1000);
    expect(clock.pendingTimers).toBe(1);
  });

  it("resume after a time without connections, with the current time", async () => {
    const { clock, deadlines } = start();
    const first = watch();
    deadlines.add(first);
    deadlines.delete(first);
    await clock.advance(60_000);
    const second = watch();
    deadlines.add(second);
    expect(deadlines.nowMs).toBe(60_000);
    await clock.advance(INTERVAL_MS);
    expect([first.asked, second.asked]).toEqual([[], [60_500]]);
  });

  it("have a time that is at most an interval old while any connection is watched", async () => {
    const { clock, deadlines } = start();
    deadlines.add(watch());
    for (let step = 0; step < 20; step += 1) {
      await clock.advance(130);
      expect(clock.monotonicMs() - deadlines.nowMs).toBeLessThan(INTERVAL_MS);
      expect(deadlines.nowMs).toBeLessThanOrEqual(clock.monotonicMs());
    }
  });

  // A corrected clock must not cut every waiting connection.
  it("ignore changes of the wall clock", async () => {
    const { clock, deadlines } = start();
    deadlines.add(watch());
    const sinceMs = deadlines.nowMs;
    clock.jump(3_600_000);
    await clock.advance(INTERVAL_MS);
    expect(deadlines.nowMs - sinceMs).toBe(INTERVAL_MS);
  });
});
