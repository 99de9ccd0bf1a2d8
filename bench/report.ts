import type { IdleCost, Round } from "./sidecar-cost.ts";

/** The middle of the values; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

type Column = readonly [title: string, value: (round: Round) => number, digits: number];

const COLUMNS: readonly Column[] = [
  ["requests/s", ({ load }) => load.requestsPerSecond, 0],
  ["p50 ms", ({ load }) => load.p50Ms, 2],
  ["p90 ms", ({ load }) => load.p90Ms, 2],
  ["p99 ms", ({ load }) => load.p99Ms, 2],
  ["failed", ({ load }) => load.failures, 0],
  ["vCPU/sidecar", ({ vcpuPerSidecar }) => vcpuPerSidecar, 3],
  ["resident MB", ({ residentMb }) => residentMb, 0],
  ["private MB", ({ privateMb }) => privateMb, 0],
];

/** A table of medians, a row a path, and one for the idle sidecar. */
export function formatReport(rounds: readonly Round[], idle: IdleCost): string {
  const row = (path: Round["path"]): readonly string[] => {
    const own = rounds.filter((round) => round.path === path);
    return [path, ...COLUMNS.map(([, value, digits]) => median(own.map(value)).toFixed(digits))];
  };
  const idleRow = [
    "idle",
    "",
    "",
    "",
    "",
    "",
    idle.vcpuPerSidecar.toFixed(3),
    idle.residentMb.toFixed(0),
    idle.privateMb.toFixed(0),
  ];
  return formatColumns([["path", ...COLUMNS.map(([title]) => title)], row("plain"), row("meshed"), idleRow]);
}

function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => `${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")}\n`).join("");
}
