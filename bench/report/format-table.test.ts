import { describe, expect, it } from "vitest";
import { formatTable } from "./format-table.ts";
import { SMALL_GET, summary } from "./report-fixture.ts";

describe("the table of a workload", () => {
  const titles = new Map([["entente-http", "Entente, HTTP"]]);
  const summaries = [
    summary("small-get", "none", { cpuMs: 0 }),
    summary("small-get", "entente-http", { cpuMs: 45 }),
    summary("small-get", "haproxy", { cpuMs: 30 }),
    summary("small-get", "envoy-http1", { cpuMs: 90 }),
  ];
  const lines = formatTable(SMALL_GET, summaries, titles).split("\n");

  it("has a row a path under its title, with the ratios to HAProxy and Envoy", () => {
    expect(lines[0]).toBe("Small GET");
    expect(lines[1]).toMatch(/^small-get +requests\/s .* CPU ms\/1,000 requests +x HAProxy +x Envoy /);
    expect(lines[3]).toMatch(/^Entente, HTTP +1000 +1\.00 +2\.00 +3\.00 +0 +45\.0 +1\.50 +0\.50 +0\.100 +140 +60 +2$/);
  });

  it("leaves the costs of the path without proxies open", () => {
    expect(lines[2]).toMatch(/^none +1000 .* 0 +– +– +– +– +– +– +–$/);
  });

  it("leaves out columns that no path has", () => {
    expect(lines[1]).not.toContain("added MB");
    expect(formatTable(SMALL_GET, [summary("small-get", "haproxy", { addedMb: 3 })], titles)).toContain("added MB");
  });
});
