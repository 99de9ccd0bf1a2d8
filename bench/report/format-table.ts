import type { Measurement } from "../measure.ts";
import type { PathKind } from "../paths/path.ts";
import type { Workload } from "../workloads.ts";
import { median } from "./median.ts";

/** The medians of a path's rounds in one workload. */
export interface Summary {
  readonly workload: string;
  readonly path: PathKind["name"];
  readonly rate: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  /** CPU milliseconds of all proxies of the path for the unit's `costCount`. */
  readonly cpuMs: number;
  /** vCPU of all proxies of the path. */
  readonly vcpu: number;
  /** All proxies of the path together. */
  readonly residentMb: number;
  readonly privateMb: number;
  readonly peakResidentMb: number;
}

/** Takes medians; `undefined` where nothing was measured. */
export function summarize(
  measurements: readonly Measurement[],
  workload: Workload,
  path: PathKind["name"],
): Summary | undefined {
  const own = measurements.filter((one) => one.workload === workload.name && one.path === path);
  if (own.length === 0) return undefined;
  const medianOf = (value: (one: Measurement) => number): number => median(own.map(value));
  const sum = (one: Measurement, value: (cost: Measurement["proxies"][number]) => number): number =>
    one.proxies.reduce((total, cost) => total + value(cost), 0);
  const { costCount, rateFactor } = workload.unit;
  return {
    workload: workload.name,
    path,
    rate: medianOf(({ load }) => (load.count / load.seconds) * rateFactor),
    p50Ms: medianOf(({ load }) => load.latencyMs?.p50 ?? Number.NaN),
    p90Ms: medianOf(({ load }) => load.latencyMs?.p90 ?? Number.NaN),
    p99Ms: medianOf(({ load }) => load.latencyMs?.p99 ?? Number.NaN),
    failures: own.reduce((total, { load }) => total + load.failures, 0),
    cpuMs: medianOf((one) => (sum(one, ({ cpuMs }) => cpuMs) / one.load.count) * costCount),
    vcpu: medianOf((one) => sum(one, ({ cpuMs }) => cpuMs) / 1000 / one.load.seconds),
    residentMb: medianOf((one) => sum(one, ({ residentMb }) => residentMb)),
    privateMb: medianOf((one) => sum(one, ({ privateMb }) => privateMb)),
    peakResidentMb: medianOf((one) => sum(one, ({ peakResidentMb }) => peakResidentMb)),
  };
}

type Column = readonly [title: string, value: (summary: Summary) => number, digits: number];

/** One workload as a table, a row a path; `x HAProxy` compares CPU. */
export function formatTable(
  workload: Workload,
  summaries: readonly Summary[],
  titles: ReadonlyMap<string, string>,
): string {
  const own = summaries.filter((summary) => summary.workload === workload.name);
  const reference = own.find(({ path }) => path === "haproxy")?.cpuMs ?? Number.NaN;
  const columns: readonly Column[] = [
    [workload.unit.rateLabel, ({ rate }) => rate, 0],
    ["p50 ms", ({ p50Ms }) => p50Ms, 2],
    ["p90 ms", ({ p90Ms }) => p90Ms, 2],
    ["p99 ms", ({ p99Ms }) => p99Ms, 2],
    ["failed", ({ failures }) => failures, 0],
    [workload.unit.costLabel, ({ cpuMs }) => cpuMs, 1],
    ["x HAProxy", ({ cpuMs }) => cpuMs / reference, 2],
    ["vCPU", ({ vcpu }) => vcpu, 2],
    ["resident MB", ({ residentMb }) => residentMb, 0],
    ["private MB", ({ privateMb }) => privateMb, 0],
  ];
  const head = [workload.name, ...columns.map(([title]) => title)];
  const rows = own.map((summary) => [
    titles.get(summary.path) ?? summary.path,
    ...columns.map(([, value, digits]) => formatNumber(value(summary), digits)),
  ]);
  return `${workload.title}\n${alignColumns([head, ...rows])}`;
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
