import type { Clock, Timer } from "../mesh/runtime.ts";

/**
 * Runs `action` once `delayMs` have passed, after all that has arrived by then. A process that had no processor for a
 * while finds its timers due before it reads its sockets: without this, a peer that replied in time would be late.
 */
export function afterInput(clock: Clock, action: () => void, delayMs: number): Timer {
  let turn: NodeJS.Immediate | undefined;
  const timer = clock.setTimeout(() => {
    turn = setImmediate(action);
  }, delayMs);
  return {
    cancel() {
      timer.cancel();
      clearImmediate(turn);
    },
  };
}
