import { expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { CallRates } from "./call-rates.ts";

it("grants a burst, then the sustained rate, for each key", async () => {
  const clock = new FakeClock();
  const buckets = new CallRates({ callBurst: 2, callsPerSecond: 10 }, clock);
  expect(["a", "a", "a", "b"].map((key) => buckets.take(key))).toEqual([true, true, false, true]);
  await clock.advance(100);
  expect([buckets.take("a"), buckets.take("a")]).toEqual([true, false]);
});

it("does not save more than a burst", async () => {
  const clock = new FakeClock();
  const buckets = new CallRates({ callBurst: 2, callsPerSecond: 10 }, clock);
  await clock.advance(60_000);
  expect([1, 2, 3].map(() => buckets.take("a"))).toEqual([true, true, false]);
});

it("a reservation waits until the rate has earned its tokens, and later ones wait behind it", async () => {
  const clock = new FakeClock();
  const buckets = new CallRates({ callBurst: 5, callsPerSecond: 10 }, clock);
  expect([buckets.reserve("a", 5), buckets.reserve("a", 10), buckets.reserve("a", 1)]).toEqual([0, 1000, 1100]);
  await clock.advance(1100);
  expect(buckets.reserve("a", 1)).toBe(100);
});

it("what is given back does not count, and never makes a burst larger", () => {
  const buckets = new CallRates({ callBurst: 2, callsPerSecond: 10 }, new FakeClock());
  expect([1, 2, 3].map(() => buckets.take("a"))).toEqual([true, true, false]);
  for (let count = 0; count < 5; count += 1) buckets.giveBack("a");
  expect([1, 2, 3].map(() => buckets.take("a"))).toEqual([true, true, false]);
});
