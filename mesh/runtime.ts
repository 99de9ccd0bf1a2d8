/**
 * What components are given instead of reaching for globals: time, randomness and a log. Interfaces alone; the real
 * ones are made in `cli/`, fakes in tests.
 */

/** Wall clock and timers, in milliseconds. */
export interface Clock {
  now(): number;
  /** Runs `action` once after `delayMs`. The timer does not keep the process alive. */
  setTimeout(action: () => void, delayMs: number): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Uniform in [0, 1). */
export type Random = () => number;

/** Structured log; pino fits it. Fields first, then a sentence that starts in lower case. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (action, delayMs) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
