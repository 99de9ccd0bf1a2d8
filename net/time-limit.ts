import type { Clock } from "../mesh/runtime.ts";
import { NetError } from "./net-error.ts";

export interface TimeLimit {
  readonly clock: Clock;
  readonly limitMs: number;
  /** For the error: `the health check`. */
  readonly what: string;
}

/**
 * The promise's result, or a NetError `timed_out` after the time limit, whatever the promise does: a library may report
 * nothing for minutes after it was aborted. The caller cleans up after it.
 */
export async function withTimeLimit<Value>(promise: Promise<Value>, limit: TimeLimit): Promise<Value> {
  const { clock, limitMs, what } = limit;
  return await new Promise<Value>((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      reject(new NetError("timed_out", `${what} did not end within ${Math.round(limitMs)} ms`));
    }, limitMs);
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
