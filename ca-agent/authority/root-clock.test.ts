import { expect, it } from "vitest";
import { requireRightClock } from "./root-clock.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

it.each([0, 4.9 * MINUTE_MS, -4.9 * MINUTE_MS])("a difference of %i ms is none", async (othersAheadMs) => {
  await expect(requireRightClock(async () => othersAheadMs)).resolves.toBeUndefined();
});

it("a clock without another one is right", async () => {
  await expect(requireRightClock(undefined)).resolves.toBeUndefined();
});

it.each([
  { othersAheadMs: -3 * DAY_MS, text: "is 3 days ahead of the API server's" },
  { othersAheadMs: 90 * MINUTE_MS, text: "is 1 hour behind the API server's" },
  { othersAheadMs: 6 * MINUTE_MS, text: "is 6 minutes behind the API server's" },
  { othersAheadMs: Number.NaN, text: "so it creates no root" },
])("a difference of $othersAheadMs ms creates no root: $text", async ({ othersAheadMs, text }) => {
  await expect(requireRightClock(async () => othersAheadMs)).rejects.toThrow(text);
});

it("a clock that cannot be compared creates no root", async () => {
  const compare = (): Promise<number> => Promise.reject(new Error("no response"));
  await expect(requireRightClock(compare)).rejects.toThrow("no response");
});
