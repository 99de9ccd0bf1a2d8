import { describe, expect, it } from "vitest";
import { formatReport } from "./format-report.ts";
import { SMALL_GET, summary } from "./report-fixture.ts";

describe("the report", () => {
  const paths = [{ name: "entente-http", title: "Entente, HTTP" }] as const;
  const report = (rounds: number) => {
    const cpuMsOfRounds = new Map(Array.from({ length: rounds }, (_, index) => [index + 1, 10]));
    const summaries = [
      summary("small-get", "entente-http", { cpuMsOfRounds }),
      summary("small-get", "haproxy", { cpuMsOfRounds }),
    ];
    const leftOut = ["left out: Envoy, stream: envoy is not installed"];
    return formatReport({ workloads: [SMALL_GET], summaries, paths, leftOut });
  };

  it("says which peers are missing, and why", () => {
    expect(report(5)).toContain("\nleft out: Envoy, stream: envoy is not installed\n");
  });

  it("judges, and says where too few rounds stand behind a verdict", () => {
    expect(report(5)).toMatch(/CPU : HAProxy +1\.00 +<= 1\.3 +met\n/);
    expect(report(3)).toMatch(/CPU : HAProxy +1\.00 +<= 1\.3 +met, 3 of 5 rounds\n/);
  });
});
