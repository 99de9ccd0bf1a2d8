import type { Clock, Random } from "../mesh/runtime.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { linkedAbort } from "./linked-abort.ts";
import { decideRetry } from "./requests/call-policy.ts";

export interface CallLimits {
  readonly clock: Clock;
  readonly random: Random;
  /** For the error: `GET https://…`. */
  readonly what: string;
  readonly isIdempotent: boolean;
  /** For all attempts together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Runs the attempts of a call. It ends at the time limit or the signal, even if the attempt reports nothing. */
export async function runCall<Value>(
  limits: CallLimits,
  attempt: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const { clock, timeoutMs, what, signal } = limits;
  signal?.throwIfAborted();
  const { stop, unlink } = linkedAbort(signal);
  return await new Promise<Value>((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      stop.abort(new KubernetesApiError("api_timeout", `${what}: no complete response within ${timeoutMs} ms`));
    }, timeoutMs);
    stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    runAttempts({ ...limits, stop: stop.signal, deadlineMs }, attempt)
      .then(resolve, reject)
      .finally(() => {
        timer.cancel();
        unlink();
      });
  });
}

interface AttemptLimits extends CallLimits {
  readonly stop: AbortSignal;
  readonly deadlineMs: number;
}

async function runAttempts<Value>(
  limits: AttemptLimits,
  attempt: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const { clock, random, isIdempotent, stop, deadlineMs } = limits;
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt(stop);
    } catch (caught) {
      if (stop.aborted || !(caught instanceof KubernetesApiError)) throw caught;
      const leftMs = deadlineMs - clock.monotonicMs();
      const waitMs = decideRetry({ attempts, isIdempotent, error: caught, leftMs }, random);
      if (waitMs === undefined) throw caught;
      await pause(clock, waitMs, stop);
    }
  }
}

/** Waits, not at all for 0, and rejects with the signal's reason when it aborts. */
export function pause(clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    if (waitMs <= 0) {
      resolve();
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, waitMs);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
