import { describe, expect, it } from "vitest";
import { measurement, proxyCost, SMALL_GET } from "./report-fixture.ts";
import { summarizeAll } from "./summarize.ts";

describe("the summary of a path", () => {
  const pair = (cpuMs: number) => [
    proxyCost({ cpuMs }),
    proxyCost({ name: "server's side", cpuMs: 60, peakResidentMb: 90 }),
  ];
  const [summary, none] = summarizeAll(
    [
      measurement("entente-http", 1, pair(40)),
      measurement("none", 0.5, []),
      measurement("entente-http", 9, pair(140)),
      measurement("entente-http", 2, pair(60)),
    ],
    [SMALL_GET],
  );

  it("takes the median of its rounds and adds up the failures", () => {
    expect(summary).toMatchObject({
      path: "entente-http",
      rate: 1000,
      p50Ms: 2,
      p99Ms: 9,
      lowestP99Ms: 9,
      failures: 3,
    });
  });

  it("divides the CPU of all its processes by what they did", () => {
    expect(summary?.cpuMs).toBe(60);
    expect(summary?.vcpu).toBeCloseTo(0.06);
  });

  it("adds the memory of its processes, and names the growth of the one that grew most", () => {
    expect(summary).toMatchObject({ processes: 2, residentMb: 140, privateMb: 60, grownMb: 30 });
  });

  it("has no cost where there is no proxy", () => {
    expect(none).toMatchObject({ path: "none", processes: 0, cpuMs: 0, p50Ms: 0.5 });
  });
});
