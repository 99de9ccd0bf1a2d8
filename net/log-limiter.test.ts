import { expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { createLogLimiter } from "./log-limiter.ts";

it("a flood of one kind is limited to a few lines a second, and the next line contains how many were suppressed", async () => {
  const clock = new FakeClock();
  const limit = createLogLimiter(clock, 3);
  const granted = Array.from({ length: 10 }, () => limit("refused").isGranted).filter(Boolean);
  expect(granted.length).toBe(3);
  expect(limit("other").isGranted).toBe(true);
  await clock.advance(1000);
  expect(limit("refused")).toEqual({ isGranted: true, heldBack: 7 });
});
