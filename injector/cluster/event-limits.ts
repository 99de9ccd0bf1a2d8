import type { Clock } from "../../mesh/runtime.ts";

const MINUTE_MS = 60_000;
/** Callers and namespaces that are counted at once; above it the one that was counted first begins anew. */
const MAX_COUNTED = 5_000;

/** Whether one more is granted to a key: at most `perMinute` in each minute, of a minute that all keys share. */
export function createQuota(clock: Clock, perMinute: number): (key: string) => boolean {
  const counts = new Map<string, number>();
  let startMs = clock.monotonicMs();
  return (key) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - startMs >= MINUTE_MS) {
      counts.clear();
      startMs = nowMs;
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    const [oldest] = counts.keys();
    if (counts.size > MAX_COUNTED && oldest !== undefined) counts.delete(oldest);
    return count <= perMinute;
  };
}

/** How long the same Event is not repeated: a controller tries again and again to create a refused pod. */
const REPEAT_MS = 10 * MINUTE_MS;
/** Events that are remembered for that; the oldest is forgotten first. */
const MAX_REMEMBERED = 2_000;

/** The Events that were recorded in the last minutes, by their keys. */
export interface EventMemory {
  has(key: string): boolean;
  add(key: string): void;
}

export function createEventMemory(clock: Clock): EventMemory {
  const recordedMs = new Map<string, number>();
  return {
    has: (key) => clock.monotonicMs() - (recordedMs.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS,
    add: (key) => {
      recordedMs.delete(key);
      recordedMs.set(key, clock.monotonicMs());
      const [oldest] = recordedMs.keys();
      if (recordedMs.size > MAX_REMEMBERED && oldest !== undefined) recordedMs.delete(oldest);
    },
  };
}
