import type { Clock, LogLimiter } from "../mesh/runtime.ts";

/**
 * Allows a few lines a second of each kind, so that a flood of refused connections cannot fill the disk. Kinds are
 * constants of the code, never chosen by a client. Metrics count every event.
 */
export function createLogLimiter(clock: Clock, linesPerSecond: number): LogLimiter {
  const windows = new Map<string, { startedMs: number; written: number; heldBack: number }>();
  return (kind) => {
    const nowMs = clock.monotonicMs();
    const window = windows.get(kind);
    if (window === undefined || nowMs - window.startedMs >= 1000 || nowMs < window.startedMs) {
      windows.set(kind, { startedMs: nowMs, written: 1, heldBack: 0 });
      return { isGranted: true, heldBack: window?.heldBack ?? 0 };
    }
    if (window.written < linesPerSecond) {
      window.written += 1;
      return { isGranted: true, heldBack: 0 };
    }
    window.heldBack += 1;
    return { isGranted: false, heldBack: window.heldBack };
  };
}
