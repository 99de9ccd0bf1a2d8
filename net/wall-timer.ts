import type { Clock, Timer } from "../mesh/runtime.ts";

/** Checks at least this often, so that a suspended machine or a changed clock is noticed. */
const MAX_WAIT_MS = 60_000;

/** Runs `action` once when the wall clock reaches `atMs`, however far away that is. */
export function startWallTimer(clock: Clock, atMs: number, action: () => void): Timer {
  let timer: Timer | undefined;
  const check = (): void => {
    const leftMs = atMs - clock.now();
    if (leftMs <= 0) {
      timer = undefined;
      action();
      return;
    }
    timer = clock.setTimeout(check, Math.min(leftMs, MAX_WAIT_MS));
  };
  check();
  return { cancel: () => timer?.cancel() };
}
