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

  it("are medians of the rounds' own ratios, so that a round on a busier machine does not count", () => {
    const busy = new Map([10, 12, 90, 11, 100].map((cpuMs, index) => [index + 1, cpuMs]));
    const twice = new Map([...busy].map(([round, cpuMs]) => [round, cpuMs * 2]));
    const targets = judgeTargets([
      summary("stream-1g", "entente-http", { cpuMs: 12, cpuMsOfRounds: twice }),
      summary("stream-1g", "haproxy", { cpuMs: 12, cpuMsOfRounds: busy }),
    ]);
    expect(targets).toMatchObject([{ value: 2, limit: 1.1, isMet: false, rounds: 5 }]);
  });

  it("measure by the cheaper of Envoy's hops where none is named", () => {
    const targets = judgeTargets([
      summary("rate-1k", "entente-http", { cpuMs: 100 }),
      summary("rate-1k", "envoy-http1", { cpuMs: 200 }),
      summary("rate-1k", "envoy-http2", { cpuMs: 125 }),
    ]);
    expect(targets).toMatchObject([{ title: "  : Envoy, cheaper hop", value: 0.8, limit: 0.6, isMet: false }]);
  });

  it("compare the p99 that a path adds to that of no path at all", () => {
    const targets = judgeTargets([
      summary("rate-1k", "none", { lowestP99Ms: 1 }),
      summary("rate-1k", "haproxy", { lowestP99Ms: 1.5 }),
      summary("rate-1k", "entente-http", { lowestP99Ms: 2.5 }),
    ]);
    expect(targets.find(({ title }) => title.includes("added p99"))).toMatchObject({
      value: 3,
      limit: 1.5,
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
    const targets = judgeTargets([summary("pod-rate-1k", "entente-http", { vcpu: 0.12, privateMb: 66 })]);
    expect(targets.map(({ value }) => value)).toEqual([0.06, 33]);
  });

  it("that were not measured are not judged", () => {
    expect(judgeTargets([])).toEqual([]);
  });
});
