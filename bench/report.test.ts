import { describe, expect, it } from "vitest";
import { formatReport, median } from "./report.ts";
import type { Round } from "./sidecar-cost.ts";

describe("medians", () => {
  it.each([
    { values: [3, 1, 2], expected: 2 },
    { values: [4, 1, 2, 3], expected: 2.5 },
    { values: [7], expected: 7 },
  ])("of $values is $expected", ({ values, expected }) => {
    expect(median(values)).toBe(expected);
  });
});

it("the table has a row a path, with the median of its rounds", () => {
  const round = (path: Round["path"], p50Ms: number): Round => ({
    path,
    load: { requests: 10, failures: 0, requestsPerSecond: 1000, p50Ms, p90Ms: 2, p99Ms: 3 },
    vcpuPerSidecar: 0.1,
    residentMb: 80,
    privateMb: 30,
  });
  const rounds = [round("plain", 1), round("plain", 9), round("plain", 2), round("meshed", 5)];
  const lines = formatReport(rounds, { vcpuPerSidecar: 0, residentMb: 70, privateMb: 25 }).split("\n");
  expect(lines[1]).toMatch(/plain +1000 +2\.00 /);
  expect(lines[2]).toMatch(/meshed +1000 +5\.00 .* 0\.100 +80 +30$/);
});
