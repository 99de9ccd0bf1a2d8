import { describe, expect, it } from "vitest";
import { judgeTargets } from "./judge-targets.ts";
import { summary } from "./report-fixture.ts";

describe("targets", () => {
  it.each([
    { name: "met at the limit", cpuMs: 130, expected: { value: 1.3, isMet: true } },
    { name: "missed beyond it", cpuMs: 131, expected: { value: 1.31, isMet: false } },
  ])("are $name", ({ cpuMs, expected }) => {
    const [target] = judgeTargets([
      summary("small-get", "entente-http", { cpuMs }),
      summary("small-get", "haproxy", { cpuMs: 100 }),
    ]);
    expect(target).toMatchObject({ limit: 1.3, ...expected });
  });

  it("compare the p99 that a path adds to that of no path at all", () => {
    const targets = judgeTargets([
      summary("rate-1k", "none", { lowestP99Ms: 1 }),
      summary("rate-1k", "haproxy", { lowestP99Ms: 1.5 }),
      summary("rate-1k", "entente-http", { lowestP99Ms: 2.5 }),
    ]);
    expect(targets.find(({ title }) => title.includes("added p99"))).toMatchObject({
      value: 3,
      limit: 2,
      isMet: false,
    });
  });

  it("do not divide by a p99 that is lost in the machine's noise", () => {
    const targets = judgeTargets([
      summary("rate-1k", "none", { lowestP99Ms: 2 }),
      summary("rate-1k", "haproxy", { lowestP99Ms: 1.9 }),
      summary("rate-1k", "entente-http", { lowestP99Ms: 2.5 }),
    ]);
    expect(targets.filter(({ title }) => title.includes("added p99"))).toEqual([]);
  });

  it("of memory and vCPU are for one sidecar, not for the pair", () => {
    const targets = judgeTargets([
      summary("pod-rate-1k", "entente-http", { vcpu: 0.12, privateMb: 66, residentMb: 150 }),
    ]);
    expect(targets.map(({ value }) => value)).toEqual([0.06, 33, 75]);
  });

  it("that were not measured are not judged", () => {
    expect(judgeTargets([])).toEqual([]);
  });
});
