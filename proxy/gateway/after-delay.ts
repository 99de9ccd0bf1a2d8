import type { EventEmitter } from "node:events";
import type { Clock } from "../../mesh/runtime.ts";

export interface InjectedDelay {
  readonly clock: Clock;
  /** `undefined`: at once. */
  readonly delayMs: number | undefined;
  /** The answer, or the client's connection: when it closes nobody waits any more. */
  readonly waiting: EventEmitter;
}

/** Goes on with a request after the delay that its route injects, unless the client is gone by then. */
export function afterDelay({ clock, delayMs, waiting }: InjectedDelay, action: () => void): void {
  if (delayMs === undefined) {
    action();
    return;
  }
  const cancel = (): void => timer.cancel();
  const timer = clock.setTimeout(() => {
    waiting.off("close", cancel);
    action();
  }, delayMs);
  waiting.once("close", cancel);
}
