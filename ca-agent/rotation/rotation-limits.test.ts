import { describe, expect, it } from "vitest";
import { createRotationLimits, latestLeafEnd } from "./rotation-limits.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe("the limits of a rotation", () => {
  it("are the defaults where leaves live a day or longer", () => {
    const defaults = { publishMs: 180_000, settleMs: 90_000, clockErrorMs: 7_440_000, retryMs: DAY_MS };
    expect(createRotationLimits(DAY_MS)).toMatchObject(defaults);
    expect(createRotationLimits(90 * DAY_MS)).toMatchObject(defaults);
  });

  it("are no longer than a leaf lives, but those for sidecars that do not follow", () => {
    expect(createRotationLimits(30_000)).toEqual({
      ...{ publishMs: 30_000, settleMs: 30_000, clockErrorMs: 30_000, retryMs: 30_000, longestLeafMs: 30_000 },
      ...{ earlyPublishMs: 7 * DAY_MS, publishLimitMs: DAY_MS, retireLimitMs: 7 * DAY_MS, countMs: HOUR_MS },
    });
    expect(createRotationLimits(HOUR_MS)).toMatchObject({
      publishMs: 180_000,
      settleMs: 90_000,
      clockErrorMs: HOUR_MS,
    });
  });

  it("keep an old root until its last leaf has expired, by clocks that differ", () => {
    expect(latestLeafEnd({ phaseMs: 0, limits: createRotationLimits(30_000) })).toBe(60_000);
    expect(latestLeafEnd({ phaseMs: 0, limits: createRotationLimits(DAY_MS) })).toBe(DAY_MS + 7_440_000);
  });

  it("can be changed", () => {
    expect(createRotationLimits(DAY_MS, { publishMs: 1 })).toMatchObject({ publishMs: 1, settleMs: 90_000 });
  });
});
