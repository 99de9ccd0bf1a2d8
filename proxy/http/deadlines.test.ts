import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Deadlines, type Watched } from "./deadlines.ts";

const INTERVAL_MS = 500;

function start(): { clock: FakeClock; deadlines: Deadlines } {
  const clock = new FakeClock();
  return { clock, deadlines: new Deadlines(clock, INTERVAL_MS) };
}

/** Remembers when it was asked. */
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
  it("ask every one that is watched, once an interval, and tell the time", async () => {
    const { clock, deadlines } = start();
    const watched = [watch(), watch()];
    for (const one of watched) deadlines.add(one);
    await clock.advance(INTERVAL_MS * 3);
    expect(watched.map(({ asked }) => asked)).toEqual([
      [500, 1000, 1500],
      [500, 1000, 1500],
    ]);
  });

  it("cost one timer for any number of connections, and none for none", async () => {
    const { clock, deadlines } = start();
    expect(clock.pendingTimers).toBe(0);
    const watched = Array.from({ length: 1000 }, () => watch());
    for (const one of watched) deadlines.add(one);
    expect([clock.pendingTimers, deadlines.size]).toEqual([1, 1000]);
    for (const one of watched) deadlines.delete(one);
    await clock.advance(INTERVAL_MS);
    expect([clock.pendingTimers, deadlines.size]).toEqual([0, 0]);
  });

  it("do not ask one that has left", async () => {
    const { clock, deadlines } = start();
    const [stays, leaves] = [watch(), watch()];
    deadlines.add(stays);
    deadlines.add(leaves);
    await clock.advance(INTERVAL_MS);
    deadlines.delete(leaves);
    await clock.advance(INTERVAL_MS);
    expect([stays.asked.length, leaves.asked.length]).toEqual([2, 1]);
  });

  it("let one leave, and another come, while they ask", async () => {
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

  it("go on after a time without anybody, with the time of then", async () => {
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

  it("tell a time that is an interval old at most while anybody is watched", async () => {
    const { clock, deadlines } = start();
    deadlines.add(watch());
    for (let step = 0; step < 20; step += 1) {
      await clock.advance(130);
      expect(clock.monotonicMs() - deadlines.nowMs).toBeLessThan(INTERVAL_MS);
      expect(deadlines.nowMs).toBeLessThanOrEqual(clock.monotonicMs());
    }
  });

  // A machine whose clock is corrected must not cut every connection that waits.
  it("do not take the setting of the wall clock for time that has passed", async () => {
    const { clock, deadlines } = start();
    deadlines.add(watch());
    const sinceMs = deadlines.nowMs;
    clock.jump(3_600_000);
    await clock.advance(INTERVAL_MS);
    expect(deadlines.nowMs - sinceMs).toBe(INTERVAL_MS);
  });
});
