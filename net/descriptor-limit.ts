import { readFileSync } from "node:fs";

/** Linux's default soft limit. */
const DEFAULT_LIMIT = 1024;

/** More than any process of the project could use. */
const UNLIMITED = 1_048_576;

/**
 * How many file descriptors this process may have open (RLIMIT_NOFILE). Node raises the soft limit to the hard one when
 * it starts, so this is the container's own limit. Read once, at startup.
 */
export function readDescriptorLimit(): number {
  try {
    return parseDescriptorLimit(readFileSync("/proc/self/limits", "utf8"));
  } catch {
    return DEFAULT_LIMIT;
  }
}

/** How many connections a local HTTP server may have. */
export function decideLocalConnections(maxDescriptors: number): number {
  return Math.max(8, Math.min(128, Math.floor(maxDescriptors / 32)));
}

/** Reserved for the server itself: Node, its listeners, logs, files that are read. */
const OWN_DESCRIPTORS = 64;

/**
 * How many clients a server that needs one descriptor for each may have at once: what it wants, but at most so many
 * that a quarter of the descriptors is left for the server itself.
 */
export function decideServerConnections(wanted: number, maxDescriptors: number): number {
  return Math.max(8, Math.min(wanted, Math.floor((maxDescriptors - OWN_DESCRIPTORS) * 0.75)));
}

/** Parses the soft limit from the text of `/proc/PID/limits`. */
export function parseDescriptorLimit(limits: string): number {
  const [, soft] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (soft === "unlimited") return UNLIMITED;
  const limit = Number(soft);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : DEFAULT_LIMIT;
}
