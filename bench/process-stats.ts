import { readFileSync } from "node:fs";

/** What a process has used so far, and holds now. */
export interface ProcessStats {
  /** User and system time since its start. */
  readonly cpuMs: number;
  readonly residentMb: number;
  /** Not shared with any other process. */
  readonly privateMb: number;
}

/** The kernel's clock ticks: 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** Reads /proc; throws if the process is gone. */
export function readProcessStats(pid: number): ProcessStats {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const memory = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) / 1024;
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    residentMb: megabytes("Rss"),
    privateMb: megabytes("Private_Clean") + megabytes("Private_Dirty"),
  };
}
