import type { PathName } from "../paths/path.ts";
import type { Workload } from "../workload.ts";
import { pairedRatio } from "./paired-ratio.ts";
import type { Summary } from "./summarize.ts";

type Column = readonly [title: string, value: (summary: Summary) => number, digits: number];

/** One workload as a table, a row a path. Columns in which nothing applies are left out. */
export function formatTable(
  workload: Workload,
  summaries: readonly Summary[],
  titles: ReadonlyMap<string, string>,
): string {
  const columns = listColumns(workload, summaries).filter(([, value]) =>
    summaries.some((summary) => Number.isFinite(value(summary))),
  );
  const rows = summaries.map((summary) => [
    titles.get(summary.path) ?? summary.path,
    ...columns.map(([, value, digits]) => formatNumber(value(summary), digits)),
  ]);
  return `${workload.title}\n${alignColumns([[workload.name, ...columns.map(([title]) => title)], ...rows])}`;
}

/** What a proxy costs is left open where there is none. Ratios are to a peer with an HTTP/1.1 hop if one was measured. */
function listColumns({ unit }: Workload, summaries: readonly Summary[]): readonly Column[] {
  const ratioTo = (...peers: readonly PathName[]) => {
    const found = peers.map((peer) => summaries.find(({ path }) => path === peer)).filter((one) => one !== undefined);
    return (summary: Summary): number => pairedRatio(summary, found[0]);
  };
  const ofProxies =
    (value: (summary: Summary) => number) =>
    (summary: Summary): number =>
      summary.processes === 0 ? Number.NaN : value(summary);
  return [
    [unit.rateLabel, ({ rate }) => (rate === 0 ? Number.NaN : rate), 0],
    ["p50 ms", ({ p50Ms }) => p50Ms, 2],
    ["p90 ms", ({ p90Ms }) => p90Ms, 2],
    ["p99 ms", ({ p99Ms }) => p99Ms, 2],
    ["failed", ({ failures }) => failures, 0],
    [unit.costLabel, ofProxies(({ cpuMs }) => cpuMs), 1],
    ["x HAProxy", ofProxies(ratioTo("haproxy", "haproxy-http2")), 2],
    ["x Envoy", ofProxies(ratioTo("envoy-http1", "envoy-http2")), 2],
    ["vCPU", ofProxies(({ vcpu }) => vcpu), 3],
    ["resident MB", ofProxies(({ residentMb }) => residentMb), 0],
    ["private MB", ofProxies(({ privateMb }) => privateMb), 0],
    ["grown MB", ofProxies(({ grownMb }) => grownMb), 0],
    ["added MB", ofProxies(({ addedMb }) => addedMb), 1],
  ];
}

function formatNumber(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** Pads every column to its widest cell: the first to the left, numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
}
