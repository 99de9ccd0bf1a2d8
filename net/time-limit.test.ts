import { expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { withTimeLimit } from "./time-limit.ts";

const what = "the response";

it("returns what the promise returns, and leaves no timer", async () => {
  const clock = new FakeClock();
  expect(await withTimeLimit(Promise.resolve(1), { clock, limitMs: 100, what })).toBe(1);
  const failing = withTimeLimit(Promise.reject(new Error("no")), { clock, limitMs: 100, what });
  await expect(failing).rejects.toThrow("no");
  expect(clock.pendingTimers).toBe(0);
});

it("ends the wait at the time limit, although the promise never settles", async () => {
  const clock = new FakeClock();
  const waiting = withTimeLimit(new Promise(() => undefined), { clock, limitMs: 100, what });
  const ended = expect(waiting).rejects.toThrow("timed_out: the response did not end within 100 ms");
  await clock.advance(100);
  await ended;
});
