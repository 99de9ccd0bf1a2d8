import { readFileSync } from "node:fs";

/** What every Linux gives a process at least, unless somebody has lowered it. */
const DEFAULT_LIMIT = 1024;

/** More than any process here could use. */
const UNLIMITED = 1_048_576;

/**
 * How many file descriptors this process may have open (RLIMIT_NOFILE). Node raises the soft limit to the hard one when
 * it starts, so this is the container's own limit. Read it once, at the start.
 */
export function readDescriptorLimit(): number {
  try {
    return parseDescriptorLimit(readFileSync("/proc/self/limits", "utf8"));
  } catch {
    return DEFAULT_LIMIT;
  }
}

/** How many connections one small server for operators may have. */
export function decideLocalConnections(maxDescriptors: number): number {
  return Math.max(8, Math.min(128, Math.floor(maxDescriptors / 32)));
}

/** Of a server's own: Node itself, its listeners, logs, files that are read. */
const OWN_DESCRIPTORS = 64;

/**
 * How many clients a server may have at once that needs one descriptor for each: as many as it wants, and so few that a
 * quarter of the descriptors is left for what it does itself.
 */
export function decideServerConnections(wanted: number, maxDescriptors: number): number {
  return Math.max(8, Math.min(wanted, Math.floor((maxDescriptors - OWN_DESCRIPTORS) * 0.75)));
}

/** Reads the soft limit out of the text of `/proc/PID/limits`. */
export function parseDescriptorLimit(limits: string): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (soft === "unlimited") return UNLIMITED;
  const limit = Number(soft);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : DEFAULT_LIMIT;
}
