import type { PodReplaced, SeenVersion } from "./messages.ts";

/** How long changes took to reach all sidecars that use the service. */
export interface ChangeTimes {
  /** Changes of services that a sidecar uses. */
  readonly count: number;
  /** Of these, how many did not reach all in the time of the bench. */
  readonly incomplete: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Compares what was changed with what sidecars saw. `usersOf` gives how many use a service. */
export function judgeChanges(
  changes: readonly PodReplaced[],
  reports: readonly (readonly SeenVersion[])[],
  usersOf: (service: number) => number,
): ChangeTimes {
  const seen = new Map<string, SeenVersion>();
  for (const entry of reports.flat()) {
    const { count, lastMs } = seen.get(entry.version) ?? { count: 0, lastMs: 0 };
    const merged = { version: entry.version, count: count + entry.count, lastMs: Math.max(lastMs, entry.lastMs) };
    seen.set(entry.version, merged);
  }
  const used = changes.filter(({ service }) => usersOf(service) > 0);
  const times = used.flatMap(({ version, service, atMs }) => {
    const found = seen.get(version);
    return found !== undefined && found.count >= usersOf(service) ? [found.lastMs - atMs] : [];
  });
  times.sort((left, right) => left - right);
  return {
    count: used.length,
    incomplete: used.length - times.length,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    maxMs: quantile(times, 1),
  };
}

/** The smallest time that at least this share does not exceed; NaN of nothing. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
