import { readdirSync, readFileSync } from "node:fs";

/** Memory that a process holds now. */
export interface ProcessMemory {
  readonly residentMb: number;
  /** Not shared with any other process. */
  readonly privateMb: number;
}

/** The kernel's clock ticks: 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** User and system time of a process and everything it has forked that still runs, in milliseconds since their start. */
export function readCpuMs(pid: number): number {
  return listProcessTree(pid).reduce((sum, id) => sum + parseCpuMs(readFileSync(`/proc/${id}/stat`, "utf8")), 0);
}

/**
 * What `readMemory` gives as `residentMb`, for reading while the process works: cheap, where `smaps_rollup` walks all of the
 * process's pages and holds its page faults up for milliseconds, which a p99 shows.
 */
export function readResidentMb(pid: number): number {
  return listProcessTree(pid).reduce((sum, id) => sum + parseResidentMb(readFileSync(`/proc/${id}/status`, "utf8")), 0);
}

/** Memory of a process and everything it has forked that still runs; shared pages of such a family count more than once. */
export function readMemory(pid: number): ProcessMemory {
  const all = listProcessTree(pid).map((id) => parseMemory(readFileSync(`/proc/${id}/smaps_rollup`, "utf8")));
  return {
    residentMb: all.reduce((sum, { residentMb }) => sum + residentMb, 0),
    privateMb: all.reduce((sum, { privateMb }) => sum + privateMb, 0),
  };
}

/** Reads proc(5)'s `stat`. The second field is the program's name in parentheses and may hold anything, parentheses too. */
export function parseCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Reads proc(5)'s `status`. */
export function parseResidentMb(status: string): number {
  return kilobytesOf("VmRSS", status) / 1024;
}

/** The most that this process alone has held so far, resident. */
export function readPeakMb(pid: number): number {
  return parsePeakMb(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** Reads proc(5)'s `status`. */
export function parsePeakMb(status: string): number {
  return kilobytesOf("VmHWM", status) / 1024;
}

/** Reads proc(5)'s `smaps_rollup`. */
export function parseMemory(rollup: string): ProcessMemory {
  const privateKb = kilobytesOf("Private_Clean", rollup) + kilobytesOf("Private_Dirty", rollup);
  return { residentMb: kilobytesOf("Rss", rollup) / 1024, privateMb: privateKb / 1024 };
}

function kilobytesOf(name: string, text: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
}

function listProcessTree(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" "))
    .filter((id) => id !== "")
    .map(Number);
  return [pid, ...children.flatMap(listProcessTree)];
}
