import { expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { afterInput } from "./after-input.ts";

it("runs once the time has passed, and not when it was cancelled", async () => {
  const clock = new FakeClock();
  const ran: string[] = [];
  afterInput(clock, () => ran.push("action"), 100);
  afterInput(clock, () => ran.push("cancelled"), 100).cancel();
  await clock.advance(99);
  expect(ran).toEqual([]);
  await clock.advance(1);
  expect(ran).toEqual(["action"]);
  expect(clock.pendingTimers).toBe(0);
});

it("can be cancelled by input that is handled when the time has passed", async () => {
  const ran: string[] = [];
  const clock = {
    ...systemClock,
    setTimeout: (action: () => void) => {
      queueMicrotask(action);
      return { cancel: () => undefined };
    },
  };
  const limit = afterInput(clock, () => ran.push("action"), 100);
  queueMicrotask(() => limit.cancel());
  await new Promise((resolve) => setImmediate(resolve));
  expect(ran).toEqual([]);
});
