import { describe, expect, it } from "vitest";
import { parseAutocannonReport } from "./autocannon.ts";
import { parseWrkReport } from "./wrk.ts";

describe("the figures of load generators", () => {
  it("are read from the line that wrk's script writes", () => {
    const output = `Running 1s test\n  1 threads and 2 connections\n{"requests":500,"durationUs":1000000,"failures":3,"p50Us":250,"p90Us":900,"p99Us":2500}\n`;
    expect(parseWrkReport(output)).toEqual({
      generator: "wrk",
      count: 500,
      failures: 3,
      seconds: 1,
      latencyMs: { p50: 0.25, p90: 0.9, p99: 2.5 },
    });
  });

  it("are an error where wrk wrote none", () => {
    expect(() => parseWrkReport("unable to connect\n")).toThrow(/wrk gave no figures: unable to connect/);
  });

  it("are read from autocannon's JSON, failures of every kind together", () => {
    const output = JSON.stringify({
      requests: { total: 500, average: 250 },
      latency: { p50: 1, p90: 2, p99: 9 },
      duration: 2.01,
      errors: 1,
      timeouts: 2,
      non2xx: 4,
    });
    expect(parseAutocannonReport(output)).toEqual({
      generator: "autocannon",
      count: 500,
      failures: 7,
      seconds: 2.01,
      latencyMs: { p50: 1, p90: 2, p99: 9 },
    });
  });
});
