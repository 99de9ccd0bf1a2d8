import { expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { withTimeLimit } from "./time-limit.ts";

const what = "the answer";

it("gives what the promise gives, and leaves no timer", async () => {
  const clock = new FakeClock();
  expect(await withTimeLimit(Promise.resolve(1), { clock, limitMs: 100, what })).toBe(1);
  const failing = withTimeLimit(Promise.reject(new Error("no")), { clock, limitMs: 100, what });
  await expect(failing).rejects.toThrow("no");
  expect(clock.pendingTimers).toBe(0);
});

it("ends the wait with the time, although the promise never does", async () => {
  const clock = new FakeClock();
  const waiting = withTimeLimit(new Promise(() => undefined), { clock, limitMs: 100, what });
  const ended = expect(waiting).rejects.toThrow("timed_out: the answer did not end within 100 ms");
  await clock.advance(100);
  await ended;
});
