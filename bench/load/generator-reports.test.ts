import { describe, expect, it } from "vitest";
import { parseAutocannonReport } from "./autocannon.ts";
import { checkAnswers, parseH2loadLog, parseH2loadReport } from "./h2load.ts";
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

  const H2LOAD = [
    "finished in 989.37ms, 202148.43 req/s, 15.42MB/s",
    "requests: 200000 total, 200000 started, 200000 done, 200000 succeeded, 0 failed, 0 errored, 0 timeout",
    "status codes: 200000 2xx, 0 3xx, 0 4xx, 0 5xx",
    "traffic: 15.26MB (16000748) total, 3.81MB (4000000) headers (space savings 47.37%), 3.43MB (3600000) data",
  ].join("\n");

  it("are read from h2load's text", () => {
    const report = parseH2loadReport(H2LOAD);
    expect(report).toMatchObject({ done: 200_000, with2xx: 200_000, dataBytes: 3_600_000 });
    expect(report.seconds).toBeCloseTo(0.98937);
    expect(() => checkAnswers(report)).not.toThrow();
    expect(parseH2loadReport(H2LOAD.replace("989.37ms", "2.50s")).seconds).toBe(2.5);
  });

  it("are an error where h2load did not complete its calls, or wrote none", () => {
    expect(() => parseH2loadReport(H2LOAD.replace("200000 done", "199999 done"))).toThrow(/completed 199999 of 200000/);
    expect(() => parseH2loadReport("invalid URI\n")).toThrow(/h2load gave no figures: invalid URI/);
  });

  it("are latencies in milliseconds in h2load's log", () => {
    expect(parseH2loadLog("1700000000000000\t200\t1500\n1700000000000100\t200\t250\n")).toEqual([1.5, 0.25]);
  });
});

describe("unary calls", () => {
  it.each([
    { name: "was answered with another HTTP status", change: { with2xx: 9 }, message: "1 of 10 calls" },
    { name: "has no message", change: { dataBytes: 162 }, message: "the answers to 10 calls have 162 bytes, not 180" },
  ])("are an error where one $name", ({ change, message }) => {
    const report = { done: 10, with2xx: 10, dataBytes: 180, ...change };
    expect(() => checkAnswers(report)).toThrow(message);
  });
});
