/**
 * What components are given instead of reaching for globals: time, randomness and a log. Interfaces alone; the real
 * ones are made in `cli/`, fakes in tests.
 */

/** Clocks and timers, in milliseconds. */
export interface Clock {
  /** The wall clock, which may be set. */
  now(): number;
  /** A clock that is never set, from any zero, with fractions: for durations and time limits. */
  monotonicMs(): number;
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

/** Whether a line may be written now, and how many were held back since the last one of its kind. */
export interface LogPermit {
  readonly isGranted: boolean;
  readonly heldBack: number;
}

/**
 * Asked before a log line that a caller can cause without end. Kinds are constants of the code, never a caller's
 * words: each may have a few lines a second.
 */
export type LogLimiter = (kind: string) => LogPermit;

export type LogFields = Readonly<Record<string, unknown>>;

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout: (action, delayMs) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
