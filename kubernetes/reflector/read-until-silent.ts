import type { Clock, Timer } from "../../mesh/runtime.ts";

export interface SilenceLimit {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Aborted when the limit is reached, so that the source closes its connection. */
  readonly stop: AbortController;
}

/** Why a source was given up. */
export class SilenceError extends Error {}

/**
 * The source's values, until there is none for the limit; then it throws a SilenceError, even if the source never
 * reacts.
 */
export async function* readUntilSilent<Value>(
  source: AsyncIterable<Value>,
  { clock, limitMs, stop }: SilenceLimit,
): AsyncGenerator<Value, void> {
  const iterator = source[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const result = await nextWithin(iterator, { clock, limitMs, stop });
      if (result.done === true) {
        isOver = true;
        return;
      }
      yield result.value;
    }
  } finally {
    stop.abort();
    // Not awaited: a source that is stuck in its read would never return.
    if (!isOver) iterator.return?.()?.catch(() => undefined);
  }
}

function nextWithin<Value>(iterator: AsyncIterator<Value>, limit: SilenceLimit): Promise<IteratorResult<Value>> {
  const { clock, limitMs, stop } = limit;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(stop.signal.reason);
    };
    const timer: Timer = clock.setTimeout(() => stop.abort(new SilenceError(`silent for ${limitMs} ms`)), limitMs);
    stop.signal.addEventListener("abort", onAbort, { once: true });
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => {
        timer.cancel();
        stop.signal.removeEventListener("abort", onAbort);
      });
  });
}
