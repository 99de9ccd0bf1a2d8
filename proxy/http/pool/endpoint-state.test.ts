import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseEndpoint, createEndpointState, type EndpointState, penaltyMs } from "./endpoint-state.ts";

const NOW_MS = 10_000;
const SAMPLE = 16;

function endpoint(key: string, state: Partial<EndpointState> = {}): EndpointState {
  return { ...createEndpointState({ ip: key, port: 80, mutualTls: false }), key, ...state };
}

const AVOIDED = { failures: 1, avoidedUntilMs: NOW_MS + 1 };

function choose(endpoints: readonly EndpointState[], options: { random?: number; tried?: readonly string[] } = {}) {
  const tried = options.tried === undefined ? undefined : new Set(options.tried);
  return chooseEndpoint(endpoints, { nowMs: NOW_MS, random: () => options.random ?? 0, tried })?.key;
}

describe("the endpoint of a request", () => {
  it.each<{ name: string; endpoints: readonly EndpointState[]; tried?: readonly string[]; chosen: string | undefined }>(
    [
      { name: "none if there is none", endpoints: [], chosen: undefined },
      { name: "the only one", endpoints: [endpoint("a", { active: 9 })], chosen: "a" },
      { name: "the only one, although it is avoided", endpoints: [endpoint("a", AVOIDED)], chosen: "a" },
      { name: "none, if the only one was tried", endpoints: [endpoint("a")], tried: ["a"], chosen: undefined },
      {
        name: "the one with the fewest requests",
        endpoints: [endpoint("a", { active: 2 }), endpoint("b", { active: 1 }), endpoint("c", { active: 3 })],
        chosen: "b",
      },
      {
        name: "a busy one rather than an unreachable one",
        endpoints: [endpoint("a", AVOIDED), endpoint("b", { active: 500 })],
        chosen: "b",
      },
      {
        name: "the unreachable one, if only that was not tried",
        endpoints: [endpoint("a", AVOIDED), endpoint("b")],
        tried: ["b"],
        chosen: "a",
      },
      {
        name: "of several unreachable ones, the one with the fewest requests",
        endpoints: [endpoint("a", { ...AVOIDED, active: 2 }), endpoint("b", { ...AVOIDED, active: 1 })],
        chosen: "b",
      },
      {
        name: "one that was unreachable, once its penalty has passed",
        endpoints: [endpoint("a", { failures: 3, avoidedUntilMs: NOW_MS }), endpoint("b", { active: 1 })],
        chosen: "a",
      },
      {
        name: "none, if all were tried",
        endpoints: [endpoint("a"), endpoint("b")],
        tried: ["a", "b"],
        chosen: undefined,
      },
    ],
  )("is $name", ({ endpoints, tried, chosen }) => {
    expect(choose(endpoints, tried === undefined ? {} : { tried })).toBe(chosen);
  });

  it("is random among equals", () => {
    const endpoints = ["a", "b", "c", "d"].map((key) => endpoint(key));
    expect([0, 0.25, 0.5, 0.99].map((random) => choose(endpoints, { random }))).toEqual(["a", "b", "c", "d"]);
  });

  it("of a large service is the best of sixteen", () => {
    const endpoints = Array.from({ length: 40 }, (_, index) => endpoint(`${index}`, { active: 40 - index }));
    expect(choose(endpoints)).toBe("15");
  });

  it("of a large service is found although the whole sample was tried", () => {
    const endpoints = Array.from({ length: 40 }, (_, index) => endpoint(`${index}`));
    const tried = endpoints.slice(0, 39).map(({ key }) => key);
    expect(choose(endpoints, { tried })).toBe("39");
  });

  it("of a large service is reachable, although a whole sample is not", () => {
    const broken = Array.from({ length: SAMPLE }, (_, index) => endpoint(`${index}`, AVOIDED));
    expect(choose([...broken, endpoint("healthy")])).toBe("healthy");
  });

  it("never has more requests than another of the sample, and is not avoided while another is not", () => {
    const state = fc.record({ active: fc.nat(5), isAvoided: fc.boolean(), isTried: fc.boolean() });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(state, { maxLength: 60 }), random, (states, at) => {
        const endpoints = states.map(({ active, isAvoided }, index) =>
          endpoint(`${index}`, isAvoided ? { ...AVOIDED, active } : { active }),
        );
        const tried = endpoints.filter((_, index) => states[index]?.isTried).map(({ key }) => key);
        const chosen = chooseEndpoint(endpoints, { nowMs: NOW_MS, random: () => at, tried: new Set(tried) });
        const start = Math.floor(at * endpoints.length);
        const candidates = [...endpoints.slice(start), ...endpoints.slice(0, start)].filter(
          ({ key }) => !tried.includes(key),
        );
        expect(chosen === undefined).toBe(candidates.length === 0);
        if (chosen === undefined) return;
        expect(tried).not.toContain(chosen.key);
        const isHealthy = ({ avoidedUntilMs }: EndpointState): boolean => avoidedUntilMs <= NOW_MS;
        expect(isHealthy(chosen)).toBe(candidates.some(isHealthy));
        const sample = candidates.slice(0, SAMPLE);
        const healthy = sample.some(isHealthy) ? sample.filter(isHealthy) : candidates.filter(isHealthy).slice(0, 1);
        const rivals = healthy.length > 0 ? healthy : candidates;
        expect(chosen.active).toBeLessThanOrEqual(Math.min(...rivals.map(({ active }) => active)));
      }),
    );
  });

  it("spreads long requests evenly", () => {
    const endpoints = Array.from({ length: 7 }, (_, index) => endpoint(`${index}`));
    for (let request = 0; request < 70; request += 1) {
      const random = (): number => (request * 0.37) % 1;
      const chosen = chooseEndpoint(endpoints, { nowMs: NOW_MS, random, tried: undefined });
      if (chosen !== undefined) chosen.active += 1;
    }
    expect(endpoints.map(({ active }) => active)).toEqual([10, 10, 10, 10, 10, 10, 10]);
  });
});

describe("an unreachable endpoint", () => {
  it.each([
    { failures: 1, ms: 1000 },
    { failures: 2, ms: 2000 },
    { failures: 3, ms: 4000 },
    { failures: 5, ms: 16_000 },
    { failures: 6, ms: 30_000 },
    { failures: 5000, ms: 30_000 },
  ])("$failures times in a row is avoided for $ms ms", ({ failures, ms }) => {
    expect(penaltyMs(failures)).toBe(ms);
  });
});
