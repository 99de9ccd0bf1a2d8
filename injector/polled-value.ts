import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Clock, Timer } from "../mesh/runtime.ts";

/** A value that may change while the process runs. */
export interface ChangingValue<Value> {
  current(): Value;
  /** Calls the listener with each later value. Returns the function that unsubscribes. */
  subscribe(listener: (value: Value) => void): () => void;
  /** The value stays as it is. */
  stop(): void;
}

export interface PolledValueOptions<Value> {
  readonly read: () => Promise<Value>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly onChange: (value: Value) => void;
  /** Called once for each different fault in a row; the old value stays in use. */
  readonly onFault: (error: MeshError) => void;
}

/**
 * Reads a value again and again. Files are polled, not watched: mounted Secrets and ConfigMaps change through symbolic
 * links.
 * @throws what the first reading throws
 */
export async function startPolledValue<Value>(options: PolledValueOptions<Value>): Promise<ChangingValue<Value>> {
  const { read, clock } = options;
  const listeners = new Set<(value: Value) => void>();
  let current = await read();
  let reported = "";
  let timer: Timer | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    try {
      const value = await read();
      reported = "";
      if (!isStopped && !isDeepStrictEqual(value, current)) {
        current = value;
        options.onChange(value);
        for (const listener of [...listeners]) listener(value);
      }
    } catch (caught) {
      const error = MeshError.from(caught);
      if (error.message !== reported) options.onFault(error);
      reported = error.message;
    }
    schedule();
  };
  const schedule = (): void => {
    if (!isStopped) timer = clock.setTimeout(() => void look(), options.intervalMs);
  };
  schedule();
  return {
    current: () => current,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      isStopped = true;
      timer?.cancel();
    },
  };
}
