import { describe, expect, it } from "vitest";
import { createBackoff } from "./backoff.ts";

describe("createBackoff", () => {
  it("doubles its ceiling up to the maximum, and starts over after a success", () => {
    const backoff = createBackoff({ random: () => 1 });
    const waits = Array.from({ length: 10 }, () => backoff.next());
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it("spreads over the whole time up to the ceiling", () => {
    const shares = [0, 0.25, 0.999];
    const backoff = createBackoff({ random: () => shares.shift() ?? 0, firstMs: 1000, maxMs: 1000 });
    expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([0, 250, 999]);
  });

  it("stays under a cap, but never becomes a busy loop", () => {
    const backoff = createBackoff({ random: () => 1 });
    for (let failure = 0; failure < 5; failure += 1) backoff.next();
    expect(backoff.next(700)).toBe(700);
    expect(backoff.next(0)).toBe(100);
  });
});
