import { expect, it } from "vitest";
import { FakeClock, settlePromises } from "../mesh/fake-clock-fixture.ts";
import { WakeUp } from "./wake-up.ts";

function start(wakeUp: WakeUp, clock: FakeClock, signal = new AbortController().signal): { isOver: boolean } {
  const pause = { isOver: false };
  void wakeUp.wait(clock, 1000, signal).then(() => {
    pause.isOver = true;
  });
  return pause;
}

it("lasts its time, and leaves no timer behind", async () => {
  const [wakeUp, clock] = [new WakeUp(), new FakeClock()];
  const pause = start(wakeUp, clock);
  await clock.advance(999);
  expect(pause.isOver).toBe(false);
  await clock.advance(1);
  expect([pause.isOver, clock.pendingTimers]).toEqual([true, 0]);
});

it("ends when woken, once for each call", async () => {
  const [wakeUp, clock] = [new WakeUp(), new FakeClock()];
  const first = start(wakeUp, clock);
  wakeUp.wake();
  await settlePromises();
  const second = start(wakeUp, clock);
  await settlePromises();
  expect([first.isOver, second.isOver, clock.pendingTimers]).toEqual([true, false, 1]);
});

it("does not last when something has happened since the last one", async () => {
  const [wakeUp, clock] = [new WakeUp(), new FakeClock()];
  wakeUp.wake();
  const pause = start(wakeUp, clock);
  await settlePromises();
  expect([pause.isOver, clock.pendingTimers]).toEqual([true, 0]);
});

it.each(["before", "during"])("ends when the signal aborts %s it", async (when) => {
  const [wakeUp, clock, stop] = [new WakeUp(), new FakeClock(), new AbortController()];
  if (when === "before") stop.abort();
  const pause = start(wakeUp, clock, stop.signal);
  if (when === "during") stop.abort();
  await settlePromises();
  expect([pause.isOver, clock.pendingTimers]).toEqual([true, 0]);
});
