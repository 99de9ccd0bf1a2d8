import { describe, expect, it } from "vitest";
import { formatChart } from "./format-chart.ts";
import { SMALL_GET, summary } from "./report-fixture.ts";

const PATHS = [
  { name: "none", title: "no sidecar" },
  { name: "entente-http", title: "Entente & HTTP" },
  { name: "haproxy", title: "HAProxy" },
] as const;

describe("the chart", () => {
  const summaries = [
    summary("small-get", "none", { cpuMs: 0 }),
    summary("small-get", "entente-http", { cpuMs: 45 }),
    summary("small-get", "haproxy", { cpuMs: 1234 }),
  ];
  const chart = formatChart({ workloads: [SMALL_GET], summaries, paths: PATHS, caption: ["here <now>"] });

  it("has a bar with its value for every path that has proxies, in proportion", () => {
    const widths = [...chart.matchAll(/<rect class="(?:ours|peer)"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(widths).toHaveLength(2);
    expect((widths[0] ?? 0) / (widths[1] ?? 1)).toBeCloseTo(45 / 1234, 2);
    expect(chart).toContain(">45.0</text>");
    expect(chart).toContain(">1,234</text>");
    expect(chart).not.toContain("no sidecar");
  });

  it("is well-formed: text is escaped and every element closed", () => {
    expect(chart).toContain("Entente &amp; HTTP");
    expect(chart).toContain("here &lt;now&gt;");
    const open: string[] = [];
    for (const [, slash, name, isSelfClosed] of chart.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (slash === "/") expect(open.pop()).toBe(name);
      else if (isSelfClosed === "" && name !== undefined) open.push(name);
    }
    expect(open).toEqual([]);
  });

  it("is empty where nothing has a cost", () => {
    expect(formatChart({ workloads: [SMALL_GET], summaries: [], paths: PATHS, caption: [] })).toBe("");
  });
});
